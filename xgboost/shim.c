#include "shim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t u64;
typedef int (*next_fn)(void *);
typedef void (*reset_fn)(void *);

// name, result, arguments of each function looked up in the library.
#define FUNCTIONS(X)                                                                                            \
  X(XGBoostVersion, void, (int *, int *, int *))                                                                \
  X(XGBGetLastError, const char *, (void))                                                                      \
  X(XGDMatrixCreateFromDense, int, (const char *, const char *, mx_handle *))                                   \
  X(XGDMatrixCreateFromCSR, int, (const char *, const char *, const char *, u64, const char *, mx_handle *))    \
  X(XGQuantileDMatrixCreateFromCallback, int,                                                                   \
    (void *, mx_handle, mx_handle, reset_fn, next_fn, const char *, mx_handle *))                               \
  X(XGDMatrixSetInfoFromInterface, int, (mx_handle, const char *, const char *))                                \
  X(XGDMatrixSetStrFeatureInfo, int, (mx_handle, const char *, const char **, u64))                             \
  X(XGDMatrixNumRow, int, (mx_handle, u64 *))                                                                   \
  X(XGDMatrixNumCol, int, (mx_handle, u64 *))                                                                   \
  X(XGDMatrixFree, int, (mx_handle))                                                                            \
  X(XGProxyDMatrixCreate, int, (mx_handle *))                                                                   \
  X(XGProxyDMatrixSetDataDense, int, (mx_handle, const char *))                                                 \
  X(XGProxyDMatrixSetDataColumnar, int, (mx_handle, const char *))                                              \
  X(XGBoosterCreate, int, (mx_handle *, u64, mx_handle *))                                                      \
  X(XGBoosterFree, int, (mx_handle))                                                                            \
  X(XGBoosterSetParam, int, (mx_handle, const char *, const char *))                                            \
  X(XGBoosterSetAttr, int, (mx_handle, const char *, const char *))                                             \
  X(XGBoosterSetStrFeatureInfo, int, (mx_handle, const char *, const char **, u64))                             \
  X(XGBoosterUpdateOneIter, int, (mx_handle, int, mx_handle))                                                   \
  X(XGBoosterBoostedRounds, int, (mx_handle, int *))                                                            \
  X(XGBoosterGetNumFeature, int, (mx_handle, u64 *))                                                            \
  X(XGBoosterSlice, int, (mx_handle, int, int, int, mx_handle *))                                               \
  X(XGBoosterEvalOneIter, int, (mx_handle, int, mx_handle *, const char **, u64, const char **))                \
  X(XGBoosterSaveModelToBuffer, int, (mx_handle, const char *, u64 *, const char **))                           \
  X(XGBoosterLoadModelFromBuffer, int, (mx_handle, const void *, u64))                                          \
  X(XGBoosterPredictFromDense, int,                                                                             \
    (mx_handle, const char *, const char *, mx_handle, const u64 **, u64 *, const float **))                    \
  X(XGBoosterPredictFromDMatrix, int, (mx_handle, mx_handle, const char *, const u64 **, u64 *, const float **))

#define DECLARE(name, result, args) static result(*p_##name) args;
FUNCTIONS(DECLARE)

// failed copies the reason on the thread that failed; another thread would read another reason.
static int failed(int rc, char *err, size_t n) {
  if (rc != 0) snprintf(err, n, "%s", p_XGBGetLastError());
  return rc;
}

int mx_load(const char *path, char *err, size_t n) {
  // Waiting OpenMP threads must sleep: spinning ones cost a shared machine two to six times the CPU. The user's own choice stands.
  setenv("OMP_WAIT_POLICY", "PASSIVE", 0);
  void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL) {
    snprintf(err, n, "%s", dlerror());
    return -1;
  }
#define LOOK_UP(name, result, args)                             \
  *(void **)(&p_##name) = dlsym(lib, #name);                    \
  if (p_##name == NULL) {                                       \
    snprintf(err, n, "%s has no function %s", path, #name);     \
    dlclose(lib);                                               \
    return -1;                                                  \
  }
  FUNCTIONS(LOOK_UP)
  return 0;
}

void mx_version(int *major, int *minor, int *patch) { p_XGBoostVersion(major, minor, patch); }

int mx_matrix_dense(const char *array, const char *config, mx_handle *out, char *err, size_t n) {
  return failed(p_XGDMatrixCreateFromDense(array, config, out), err, n);
}

int mx_matrix_csr(const char *indptr, const char *indices, const char *values, u64 cols, const char *config, mx_handle *out, char *err,
                  size_t n) {
  return failed(p_XGDMatrixCreateFromCSR(indptr, indices, values, cols, config, out), err, n);
}

extern int mobulaXGBoostNext(uintptr_t source);
extern void mobulaXGBoostReset(uintptr_t source);
static int next_batch(void *source) { return mobulaXGBoostNext((uintptr_t)source); }
static void reset_batches(void *source) { mobulaXGBoostReset((uintptr_t)source); }

int mx_matrix_quantile(uintptr_t source, mx_handle proxy, mx_handle ref, const char *config, mx_handle *out, char *err, size_t n) {
  return failed(p_XGQuantileDMatrixCreateFromCallback((void *)source, proxy, ref, reset_batches, next_batch, config, out), err, n);
}

int mx_matrix_info(mx_handle m, const char *field, const char *array, char *err, size_t n) {
  return failed(p_XGDMatrixSetInfoFromInterface(m, field, array), err, n);
}

int mx_matrix_strings(mx_handle m, const char *field, char **values, u64 len, char *err, size_t n) {
  return failed(p_XGDMatrixSetStrFeatureInfo(m, field, (const char **)values, len), err, n);
}

int mx_matrix_shape(mx_handle m, u64 *rows, u64 *cols, char *err, size_t n) {
  int rc = p_XGDMatrixNumRow(m, rows);
  if (rc == 0) rc = p_XGDMatrixNumCol(m, cols);
  return failed(rc, err, n);
}

void mx_matrix_free(mx_handle m) { p_XGDMatrixFree(m); }

int mx_proxy_new(mx_handle *out, char *err, size_t n) { return failed(p_XGProxyDMatrixCreate(out), err, n); }

int mx_proxy_dense(mx_handle proxy, const char *array, char *err, size_t n) {
  return failed(p_XGProxyDMatrixSetDataDense(proxy, array), err, n);
}

int mx_proxy_columns(mx_handle proxy, const char *arrays, char *err, size_t n) {
  return failed(p_XGProxyDMatrixSetDataColumnar(proxy, arrays), err, n);
}

int mx_booster_new(mx_handle *matrices, u64 len, mx_handle *out, char *err, size_t n) {
  return failed(p_XGBoosterCreate(matrices, len, out), err, n);
}

void mx_booster_free(mx_handle b) { p_XGBoosterFree(b); }

int mx_booster_set(mx_handle b, const char *name, const char *value, char *err, size_t n) {
  return failed(p_XGBoosterSetParam(b, name, value), err, n);
}

int mx_booster_attr(mx_handle b, const char *name, const char *value, char *err, size_t n) {
  return failed(p_XGBoosterSetAttr(b, name, value), err, n);
}

int mx_booster_strings(mx_handle b, const char *field, char **values, u64 len, char *err, size_t n) {
  return failed(p_XGBoosterSetStrFeatureInfo(b, field, (const char **)values, len), err, n);
}

int mx_booster_update(mx_handle b, int round, mx_handle train, char *err, size_t n) {
  return failed(p_XGBoosterUpdateOneIter(b, round, train), err, n);
}

int mx_booster_rounds(mx_handle b, int *out, char *err, size_t n) { return failed(p_XGBoosterBoostedRounds(b, out), err, n); }

int mx_booster_features(mx_handle b, u64 *out, char *err, size_t n) { return failed(p_XGBoosterGetNumFeature(b, out), err, n); }

int mx_booster_slice(mx_handle b, int begin, int end, mx_handle *out, char *err, size_t n) {
  return failed(p_XGBoosterSlice(b, begin, end, 1, out), err, n);
}

// copied gives the caller bytes of its own. An empty result is one spare byte, so that NULL only means that memory ran out.
static int copied(const void *from, size_t size, void **out, char *err, size_t n) {
  *out = malloc(size + 1);
  if (*out == NULL) {
    snprintf(err, n, "out of memory: %zu bytes for a result", size);
    return -1;
  }
  if (size > 0) memcpy(*out, from, size);
  ((char *)*out)[size] = 0;
  return 0;
}

int mx_booster_eval(mx_handle b, int round, mx_handle *matrices, char **names, u64 len, char **out, char *err, size_t n) {
  const char *text = NULL;
  int rc = p_XGBoosterEvalOneIter(b, round, matrices, (const char **)names, len, &text);
  if (rc != 0) return failed(rc, err, n);
  return copied(text, strlen(text), (void **)out, err, n);
}

int mx_booster_save(mx_handle b, const char *config, char **out, u64 *len, char *err, size_t n) {
  const char *data = NULL;
  int rc = p_XGBoosterSaveModelToBuffer(b, config, len, &data);
  if (rc != 0) return failed(rc, err, n);
  return copied(data, *len, (void **)out, err, n);
}

int mx_booster_load(mx_handle b, const void *data, u64 len, char *err, size_t n) {
  return failed(p_XGBoosterLoadModelFromBuffer(b, data, len), err, n);
}

static int predicted(int rc, const u64 *shape, u64 dims, const float *values, float **out, u64 *len, char *err, size_t n) {
  if (rc != 0) return failed(rc, err, n);
  *len = 1;
  for (u64 i = 0; i < dims; i++) *len *= shape[i];
  return copied(values, *len * sizeof(float), (void **)out, err, n);
}

int mx_booster_predict_dense(mx_handle b, const char *array, const char *config, float **out, u64 *len, char *err, size_t n) {
  const u64 *shape = NULL;
  u64 dims = 0;
  const float *values = NULL;
  int rc = p_XGBoosterPredictFromDense(b, array, config, NULL, &shape, &dims, &values);
  return predicted(rc, shape, dims, values, out, len, err, n);
}

int mx_booster_predict_matrix(mx_handle b, mx_handle m, const char *config, float **out, u64 *len, char *err, size_t n) {
  const u64 *shape = NULL;
  u64 dims = 0;
  const float *values = NULL;
  int rc = p_XGBoosterPredictFromDMatrix(b, m, config, &shape, &dims, &values);
  return predicted(rc, shape, dims, values, out, len, err, n);
}

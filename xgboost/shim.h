// The part of XGBoost's C interface that the Go package uses, behind functions that return a copy of what the library says.
// The library keeps results and its last error in thread-local storage, and Go may continue on another thread after each call.
#ifndef MOBULA_XGBOOST_SHIM_H
#define MOBULA_XGBOOST_SHIM_H
#include <stddef.h>
#include <stdint.h>

typedef void *mx_handle;

// Each function returns 0, or non-zero with the reason in err (at most n bytes, terminated).
int mx_load(const char *path, char *err, size_t n);
void mx_version(int *major, int *minor, int *patch);

int mx_matrix_dense(const char *array, const char *config, mx_handle *out, char *err, size_t n);
int mx_matrix_csr(const char *indptr, const char *indices, const char *values, uint64_t cols, const char *config, mx_handle *out, char *err,
                  size_t n);
int mx_matrix_quantile(uintptr_t source, mx_handle proxy, mx_handle ref, const char *config, mx_handle *out, char *err, size_t n);
int mx_matrix_info(mx_handle m, const char *field, const char *array, char *err, size_t n);
int mx_matrix_strings(mx_handle m, const char *field, char **values, uint64_t len, char *err, size_t n);
int mx_matrix_shape(mx_handle m, uint64_t *rows, uint64_t *cols, char *err, size_t n);
void mx_matrix_free(mx_handle m);

int mx_proxy_new(mx_handle *out, char *err, size_t n);
int mx_proxy_dense(mx_handle proxy, const char *array, char *err, size_t n);
int mx_proxy_columns(mx_handle proxy, const char *arrays, char *err, size_t n);

int mx_booster_new(mx_handle *matrices, uint64_t len, mx_handle *out, char *err, size_t n);
void mx_booster_free(mx_handle b);
int mx_booster_set(mx_handle b, const char *name, const char *value, char *err, size_t n);
int mx_booster_attr(mx_handle b, const char *name, const char *value, char *err, size_t n);
int mx_booster_strings(mx_handle b, const char *field, char **values, uint64_t len, char *err, size_t n);
int mx_booster_update(mx_handle b, int round, mx_handle train, char *err, size_t n);
int mx_booster_rounds(mx_handle b, int *out, char *err, size_t n);
int mx_booster_features(mx_handle b, uint64_t *out, char *err, size_t n);
int mx_booster_slice(mx_handle b, int begin, int end, mx_handle *out, char *err, size_t n);

// What these write to *out is the caller's to free().
int mx_booster_eval(mx_handle b, int round, mx_handle *matrices, char **names, uint64_t len, char **out, char *err, size_t n);
int mx_booster_save(mx_handle b, const char *config, char **out, uint64_t *len, char *err, size_t n);
int mx_booster_load(mx_handle b, const void *data, uint64_t len, char *err, size_t n);
int mx_booster_predict_dense(mx_handle b, const char *array, const char *config, float **out, uint64_t *len, char *err, size_t n);
int mx_booster_predict_matrix(mx_handle b, mx_handle m, const char *config, float **out, uint64_t *len, char *err, size_t n);
#endif

/* train LIBRARY CSV MODEL: the smallest program that trains with libxgboost: the library reads the CSV, 100 rounds, each with the
   metric of the training rows, as the image reports it, and the model is saved. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *handle;

static void *symbol(void *library, const char *name) {
  void *s = dlsym(library, name);
  if (!s) { fprintf(stderr, "no %s\n", name); exit(1); }
  return s;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) { fprintf(stderr, "%s\n", dlerror()); return 1; }
  const char *(*last)(void) = symbol(library, "XGBGetLastError");
#define CHECK(call) if (call) { fprintf(stderr, "%s\n", last()); return 1; }
  int (*read)(const char *, handle *) = symbol(library, "XGDMatrixCreateFromURI");
  int (*create)(const handle *, unsigned long, handle *) = symbol(library, "XGBoosterCreate");
  int (*set)(handle, const char *, const char *) = symbol(library, "XGBoosterSetParam");
  int (*update)(handle, int, handle) = symbol(library, "XGBoosterUpdateOneIter");
  int (*evaluate)(handle, int, handle *, const char **, unsigned long, const char **) = symbol(library, "XGBoosterEvalOneIter");
  int (*save)(handle, const char *) = symbol(library, "XGBoosterSaveModel");
  char config[4096];
  snprintf(config, sizeof config, "{\"uri\": \"%s?format=csv&label_column=0\", \"silent\": 1}", argv[2]);
  handle data, booster;
  CHECK(read(config, &data));
  CHECK(create(&data, 1, &booster));
  const char *parameters[][2] = {{"objective", "reg:squarederror"}, {"tree_method", "hist"}, {"max_depth", "6"}, {"eta", "0.3"}, {"nthread", "2"}};
  for (int i = 0; i < 5; i++) CHECK(set(booster, parameters[i][0], parameters[i][1]));
  const char *names[] = {"train"}, *line;
  for (int i = 0; i < 100; i++) {
    CHECK(update(booster, i, data));
    CHECK(evaluate(booster, i, &data, names, 1, &line));
    puts(line);
  }
  CHECK(save(booster, argv[3]));
  return 0;
}

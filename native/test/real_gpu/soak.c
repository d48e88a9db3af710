/* soak LIBRARY SAMPLES: memory of this process before NVML, after the first samples and after all of them, in KiB. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM_UP = 1000 };

static long resident_kb(void) {
  char line[256];
  long kb = 0;
  FILE* file = fopen("/proc/self/status", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, "VmRSS:", 6) == 0) kb = strtol(line + 6, NULL, 10);
  if (file != NULL) fclose(file);
  return kb;
}

int main(int count, char** arguments) {
  const long start = resident_kb();
  void* library = count == 3 ? dlopen(arguments[1], RTLD_LAZY) : NULL;
  if (library == NULL) {
    fprintf(stderr, "usage: soak LIBRARY SAMPLES\n");
    return 1;
  }
  int (*init)(void);
  int (*get_device)(unsigned, void**);
  int (*getters[4])(void*, void*);
  *(void**)&init = dlsym(library, "nvmlInit_v2");
  *(void**)&get_device = dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
  const char* const names[] = {"nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetPowerUsage",
                               "nvmlDeviceGetEnforcedPowerLimit"};
  for (int index = 0; index < 4; index += 1) *(void**)&getters[index] = dlsym(library, names[index]);
  void* device = NULL;
  if (init == NULL || init() != 0 || get_device(0, &device) != 0) {
    fprintf(stderr, "NVML gives no first GPU\n");
    return 1;
  }
  const long samples = strtol(arguments[2], NULL, 10);
  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  long warm = resident_kb();
  for (long sample = 0; sample < samples; sample += 1) {
    unsigned long long room[8];
    for (int index = 0; index < 4; index += 1)
      if (getters[index] != NULL) getters[index](device, room);
    if (sample == WARM_UP) warm = resident_kb();
  }
  clock_gettime(CLOCK_MONOTONIC, &after);
  const double us = (double)(after.tv_sec - before.tv_sec) * 1e6 + (double)(after.tv_nsec - before.tv_nsec) / 1e3;
  printf("{\"startKb\":%ld,\"warmKb\":%ld,\"endKb\":%ld,\"microseconds\":%.0f}\n", start, warm, resident_kb(), us);
  return 0;
}

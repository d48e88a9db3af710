/* Launches a kernel that stores to an address at which nothing is mapped, and expects the driver to notice. Speaks to
 * libcuda alone, with PTX that any GPU since Turing (else Maxwell) compiles for itself: no CUDA toolkit is needed.
 * Ends with 0 after the fault, 77 where there is no CUDA here, 1 otherwise. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define KERNEL(version, target)                                                     \
  ".version " version "\n.target " target "\n.address_size 64\n"                    \
  ".visible .entry fault()\n{\n"                                                    \
  ".reg .b64 %address;\n.reg .b32 %value;\n"                                        \
  "mov.u64 %address, 0x00007fffdeadb000;\nmov.u32 %value, 1;\n"                     \
  "st.global.u32 [%address], %value;\nret;\n}\n"

static const char* const kernels[] = {KERNEL("6.3", "sm_75"), KERNEL("6.0", "sm_52")};
static void* library;

static void* find(const char* name) {
  void* symbol = dlsym(library, name);
  if (symbol == NULL) {
    fprintf(stderr, "libcuda.so.1 has no %s\n", name);
    exit(77);
  }
  return symbol;
}

static void require_success(int result, const char* what, int status) {
  if (result == 0) return;
  fprintf(stderr, "%s answers %d\n", what, result);
  exit(status);
}

int main(void) {
  library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "no CUDA driver: %s\n", dlerror());
    return 77;
  }
  int (*init)(unsigned);
  int (*get_device)(int*, int);
  int (*create_context)(void**, unsigned, int);
  int (*load_module)(void**, const void*);
  int (*get_function)(void**, void*, const char*);
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
  int (*synchronize)(void);
  *(void**)&init = find("cuInit");
  *(void**)&get_device = find("cuDeviceGet");
  *(void**)&create_context = find("cuCtxCreate_v2");
  *(void**)&load_module = find("cuModuleLoadData");
  *(void**)&get_function = find("cuModuleGetFunction");
  *(void**)&launch = find("cuLaunchKernel");
  *(void**)&synchronize = find("cuCtxSynchronize");

  int device = 0;
  void *context = NULL, *module = NULL, *function = NULL;
  require_success(init(0), "cuInit", 77);
  require_success(get_device(&device, 0), "cuDeviceGet", 77);
  require_success(create_context(&context, 0, device), "cuCtxCreate", 1);
  int result = 1;
  for (size_t index = 0; result != 0 && index < sizeof kernels / sizeof kernels[0]; index += 1)
    result = load_module(&module, kernels[index]);
  require_success(result, "cuModuleLoadData", 1);
  require_success(get_function(&function, module, "fault"), "cuModuleGetFunction", 1);
  require_success(launch(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), "cuLaunchKernel", 1);
  result = synchronize();
  printf("the kernel's illegal store gives CUDA error %d\n", result);
  return result == 0;
}

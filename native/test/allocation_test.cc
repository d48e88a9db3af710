// A tick allocates nothing: neither with new nor with malloc, not even while it looks its cgroups up again.
#include <atomic>
#include <cstdlib>

#include "host_case.h"

namespace {

// Volatile: the compiler knows that malloc looks at no variable of ours.
thread_local volatile bool is_counting = false;
std::atomic<int> allocations{0};

void note() {
  if (is_counting) ++allocations;
}

}  // namespace

#ifdef __clang__
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#endif

#ifdef UNDER_SANITIZER
// The sanitizers own malloc and tell who asks. From <sanitizer/allocator_interface.h>, which gcc does not install.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                                         void (*)(const volatile void*));
static const int hook = __sanitizer_install_malloc_and_free_hooks([](const volatile void*, std::size_t) { note(); },
                                                                  [](const volatile void*) {});
#else
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
__attribute__((visibility("default"))) void* malloc(std::size_t size) { return note(), __libc_malloc(size); }
__attribute__((visibility("default"))) void* calloc(std::size_t n, std::size_t size) { return note(), __libc_calloc(n, size); }
__attribute__((visibility("default"))) void* realloc(void* old, std::size_t size) { return note(), __libc_realloc(old, size); }
}
#endif

namespace inference_health::host {
namespace {

int allocations_of(test::HostCase& host, double after_ms) {
  allocations = 0;
  is_counting = true;
  host.sample(after_ms);
  is_counting = false;
  return allocations;
}

}  // namespace

TEST("the counter of allocations counts") {
  is_counting = true;
  void* volatile memory = malloc(10);
  free(memory);
  is_counting = false;
  CHECK(allocations > 0);
}

TEST("a sample allocates nothing") {
  for (const auto* name : {"v2-container", "v2-nested", "v1-docker", "v1-nested", "hybrid", "sandbox", "old-kernel"}) {
    test::HostCase host(name, true);
    CHECK_EQUAL(allocations_of(host, 1000), 0);
    CHECK_EQUAL(allocations_of(host, 61'000), 0);
  }
  test::HostCase real("");
  CHECK(real.reader->configure("/", true));
  real.sample();
  CHECK_EQUAL(allocations_of(real, 1000), 0);
  CHECK_EQUAL(allocations_of(real, 61'000), 0);
}

}  // namespace inference_health::host

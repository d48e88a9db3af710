#include "gpu/library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>

#include <atomic>
#include <new>

namespace inference_health::gpu {
namespace {

// Never the unversioned name: that is the stub of the CUDA toolkit, whose calls all fail.
constexpr const char* kPaths[] = {
    "libnvidia-ml.so.1",  // what the loader knows, LD_LIBRARY_PATH included
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",                           // GKE
    "/home/kubernetes/bin/nvidia/lib64/libnvidia-ml.so.1",                 // Container-Optimized OS
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",       // driver container of the GPU operator
    "/run/nvidia/driver/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
};

}  // namespace

bool Library::open(const char* path) {
  // Lazy: a function of the library that needs another library does not keep the rest from us.
  handle_ = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (handle_ == nullptr) return false;
  for (std::size_t i = 0; i < kSymbols; ++i) functions_[i] = dlsym(handle_, kSymbolNames[i]);
  // Where it came from, as the loader knows it.
  Dl_info info{};
  if (functions_[0] != nullptr && dladdr(functions_[0], &info) != 0 && info.dli_fname != nullptr) link_ = info.dli_fname;
  char resolved[PATH_MAX];
  path_ = realpath(link_.c_str(), resolved) != nullptr ? resolved : link_;
  return true;
}

bool Library::load(std::string_view path) {
  if (is_loaded()) return true;
  if (!path.empty()) return open(std::string(path).c_str());
  for (const char* candidate : kPaths)
    if (open(candidate)) return true;
  return false;
}

const Library* load_library(std::string_view path) {
  // Never unloaded and never destroyed: threads may be inside at exit. Real processes ask for one path.
  struct Entry {
    std::string asked;
    Library library;
  };
  static std::atomic<const Entry*> entries[16];
  for (auto& slot : entries) {
    const Entry* entry = slot.load(std::memory_order_acquire);
    if (entry != nullptr && entry->asked == path) return &entry->library;
    if (entry != nullptr) continue;
    auto* made = new (std::nothrow) Entry{std::string(path), {}};
    if (made == nullptr || !made->library.load(path)) {
      delete made;
      return nullptr;
    }
    // Should another thread have been first, its entry and ours stay, and the same library is loaded twice: harmless.
    if (slot.compare_exchange_strong(entry, made, std::memory_order_acq_rel)) return &made->library;
  }
  return nullptr;
}

}  // namespace inference_health::gpu

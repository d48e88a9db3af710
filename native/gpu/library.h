// libnvidia-ml.so.1: found, loaded, never unloaded.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "gpu/symbols.h"

namespace inference_health::gpu {

class Library {
 public:
  /// Loads the library at `path`, or where drivers are known to put it when `path` is empty. False without it; once
  /// loaded it stays, since a thread may be inside for ever. Blocks as dlopen does.
  bool load(std::string_view path);

  bool is_loaded() const { return handle_ != nullptr; }
  /// Absolute, with links resolved: its name carries the driver's version.
  const std::string& path() const { return path_; }
  /// The path that was asked for, before links were resolved; whoever updates the driver moves that link.
  const std::string& link() const { return link_; }

  template <Symbol S>
  auto get() const {
    return reinterpret_cast<typename nvml::Function<S>::Type>(functions_[static_cast<std::size_t>(S)]);
  }
  bool has(std::size_t symbol) const { return functions_[symbol] != nullptr; }

 private:
  bool open(const char* path);

  void* handle_ = nullptr;
  std::array<void*, kSymbols> functions_{};
  std::string path_, link_;
};

/// The library of this process for `path` (see Library::load), loaded now or earlier; null without one. For NVML threads
/// only: it blocks as dlopen does.
const Library* load_library(std::string_view path);

}  // namespace inference_health::gpu

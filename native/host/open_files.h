// How many file descriptors this process has open.
#pragma once

#include <span>

#include "host/kept_file.h"

namespace inference_health::host {

class OpenFiles {
 public:
  OpenFiles() = default;
  ~OpenFiles() { close(); }
  OpenFiles(const OpenFiles&) = delete;
  OpenFiles& operator=(const OpenFiles&) = delete;

  Reason count(const FilePath& directory, std::span<char> buffer, double& count);
  void close();

 private:
  int fd_ = -1;
  bool on_procfs_ = false;
};

}  // namespace inference_health::host

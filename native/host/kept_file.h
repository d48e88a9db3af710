// A file that is opened once and then read from its start again and again.
#pragma once

#include <span>
#include <string_view>

#include "snapshot/layout.h"

namespace inference_health::host {

/// Where a file is: root + directory + name, joined only when it is opened.
struct FilePath {
  std::string_view root;
  std::string_view directory;
  std::string_view name;
};

/// Writes the joined path with its terminator; false when it does not fit.
bool join_path(const FilePath& path, std::span<char> into);

/// Reason for an errno value.
Reason reason_of(int error);

struct FileText {
  Reason reason;
  std::string_view text;  // never empty when the reason is ok
};

class KeptFile {
 public:
  KeptFile() = default;
  ~KeptFile() { close(); }
  KeptFile(const KeptFile&) = delete;
  KeptFile& operator=(const KeptFile&) = delete;

  /// One pread of up to buffer.size() bytes. The file is opened again when the kept descriptor turns out to be stale:
  /// its cgroup was removed (ENODEV), the file was replaced, or someone closed the descriptor.
  FileText read(const FilePath& path, std::span<char> buffer);

  /// Like read, but a file that does not exist is not looked for again until forget_absence() or close().
  FileText read_if_present(const FilePath& path, std::span<char> buffer);

  bool is_open() const { return fd_ >= 0; }
  void forget_absence() { absent_ = false; }
  void close();

 private:
  Reason open(const FilePath& path);
  bool was_unlinked() const;

  int fd_ = -1;
  bool on_disk_ = false;  // not procfs, sysfs or cgroupfs: a tree made for a test, whose files can be replaced
  bool absent_ = false;
};

}  // namespace inference_health::host

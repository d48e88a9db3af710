#include "host/open_files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

namespace inference_health::host {

namespace {

// struct linux_dirent64, which no header declares.
constexpr std::size_t kRecordLengthOffset = 16;
constexpr std::size_t kNameOffset = 19;

// Entries in one getdents64 buffer, without "." and "..".
std::size_t count_entries(std::span<const char> records) {
  std::size_t count = 0;
  for (std::size_t at = 0; at + kNameOffset < records.size();) {
    std::uint16_t length;
    std::memcpy(&length, records.data() + at + kRecordLengthOffset, sizeof length);
    if (length == 0) break;
    if (records[at + kNameOffset] != '.') ++count;
    at += length;
  }
  return count;
}

}  // namespace

Reason OpenFiles::count(const FilePath& directory, std::span<char> buffer, double& count) {
  if (fd_ < 0) {
    char joined[PATH_MAX];
    if (!join_path(directory, joined)) return Reason::missing;
    fd_ = open(joined, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd_ < 0) return reason_of(errno);
    struct statfs fs;
    on_procfs_ = fstatfs(fd_, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
  }

  struct stat info;
  if (fstat(fd_, &info) != 0 || (!on_procfs_ && info.st_nlink == 0)) {
    const int error = errno;
    if (error == EBADF) fd_ = -1;
    close();
    return Reason::missing;
  }
  // Since Linux 6.2 procfs keeps the number there; older ones say 0, and listing 5,000 sockets takes a millisecond.
  if (on_procfs_ && info.st_size > 0) {
    count = static_cast<double>(info.st_size);
    return Reason::ok;
  }

  if (lseek(fd_, 0, SEEK_SET) != 0) {
    close();
    return Reason::io_error;
  }
  std::size_t entries = 0;
  for (;;) {
    const long length = syscall(SYS_getdents64, fd_, buffer.data(), buffer.size());
    if (length < 0) {
      const int error = errno;
      close();
      return reason_of(error);
    }
    if (length == 0) break;
    entries += count_entries({buffer.data(), static_cast<std::size_t>(length)});
  }
  count = static_cast<double>(entries);
  return Reason::ok;
}

void OpenFiles::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace inference_health::host

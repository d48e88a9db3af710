#include "host/kept_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace inference_health::host {

bool join_path(const FilePath& path, std::span<char> into) {
  std::size_t length = 0;
  for (const auto part : {path.root, path.directory, path.name}) {
    if (length + part.size() >= into.size()) return false;
    // Not memcpy: the data of an empty view is null.
    length += part.copy(into.data() + length, part.size());
  }
  into[length] = '\0';
  return true;
}

Reason reason_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENAMETOOLONG:
      return Reason::missing;
    case EACCES:
    case EPERM:
      return Reason::permission;
    case EOPNOTSUPP:
    case ENOSYS:
      return Reason::unsupported;
    default:
      return Reason::io_error;
  }
}

FileText KeptFile::read(const FilePath& path, std::span<char> buffer) {
  for (int attempt = 0;; ++attempt) {
    const bool opened_now = fd_ < 0;
    if (opened_now) {
      const Reason reason = open(path);
      if (reason != Reason::ok) return {reason, {}};
    } else if (on_disk_ && was_unlinked()) {
      close();
      continue;
    }
    ssize_t length;
    do {
      length = pread(fd_, buffer.data(), buffer.size(), 0);
    } while (length < 0 && errno == EINTR);
    if (length > 0) return {Reason::ok, {buffer.data(), static_cast<std::size_t>(length)}};

    const int error = errno;
    // A descriptor that someone else closed may be someone else's by now: forget it, do not close it.
    if (!opened_now && length < 0 && (error == EBADF || error == ESPIPE)) fd_ = -1;
    close();
    if (opened_now || attempt > 0) return {length == 0 ? Reason::malformed : reason_of(error), {}};
  }
}

FileText KeptFile::read_if_present(const FilePath& path, std::span<char> buffer) {
  if (absent_) return {Reason::missing, {}};
  const bool was_open = fd_ >= 0;
  const auto result = read(path, buffer);
  absent_ = result.reason == Reason::missing && !was_open;
  return result;
}

Reason KeptFile::open(const FilePath& path) {
  char joined[PATH_MAX];
  if (!join_path(path, joined)) return Reason::missing;
  fd_ = ::open(joined, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd_ < 0) return reason_of(errno);
  struct statfs fs;
  on_disk_ = fstatfs(fd_, &fs) != 0 || (fs.f_type != PROC_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC &&
                                        fs.f_type != CGROUP2_SUPER_MAGIC);
  return Reason::ok;
}

bool KeptFile::was_unlinked() const {
  struct stat info;
  return fstat(fd_, &info) != 0 || info.st_nlink == 0;
}

void KeptFile::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  absent_ = false;
}

}  // namespace inference_health::host

#include "gpu/kmsg_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace inference_health::gpu {
namespace {

constexpr double kReopenMs = 30'000, kReopenSoonMs = 500;
// So that a storm of records leaves time for the rest of the thread's work.
constexpr int kReadsAtOnce = 4096;

}  // namespace

KmsgReader::~KmsgReader() { close(); }

void KmsgReader::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  is_pollable_ = false;
}

void KmsgReader::open(double now_ms) {
  next_open_ms_ = now_ms + kReopenMs;
  struct stat info;
  const bool is_fifo = stat(path_.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
  // A FIFO that we hold open for writing, too, does not end when its writer goes.
  fd_ = ::open(path_.c_str(), (is_fifo ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd_ < 0) {
    state_ = errno == EPERM || errno == EACCES ? KmsgState::no_permission : KmsgState::missing;
    return;
  }
  is_pollable_ = fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode);
  // What was logged before is not this process's.
  if (!is_fifo) lseek(fd_, 0, SEEK_END);
  state_ = KmsgState::reading;
  has_sequence_ = false;
  length_ = 0;
}

void KmsgReader::read(double now_ms, Sink sink, void* context) {
  if (path_.empty()) {
    state_ = KmsgState::off;
    return;
  }
  if (fd_ < 0 && now_ms >= next_open_ms_) open(now_ms);
  if (fd_ < 0) return;
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const auto got = ::read(fd_, buffer_.data() + length_, buffer_.size() - length_);
    if (got > 0) {
      length_ += static_cast<std::size_t>(got);
      take_lines(sink, context);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EPIPE) {
      // Overwritten before we read it; the next read goes on with the oldest record that is left.
      ++gaps_;
      has_sequence_ = false;
      continue;
    }
    // Larger than the buffer: cannot be read, can be stepped over only by the kernel's next overwriting.
    if (got < 0 && errno == EINVAL) {
      ++malformed_;
      lseek(fd_, 0, SEEK_END);
      continue;
    }
    if (got < 0 && errno == EAGAIN) return;
    if (got == 0 && !is_pollable_) {
      struct stat info;
      // Truncated: from its beginning again.
      if (fstat(fd_, &info) == 0 && lseek(fd_, 0, SEEK_CUR) > info.st_size) lseek(fd_, 0, SEEK_SET);
      return;
    }
    if (got < 0 && (errno == EPERM || errno == EACCES)) state_ = KmsgState::no_permission;
    else state_ = KmsgState::missing;
    close();
    if (state_ == KmsgState::missing) next_open_ms_ = now_ms + kReopenSoonMs;
    return;
  }
}

void KmsgReader::take_lines(Sink sink, void* context) {
  std::size_t begin = 0;
  for (;;) {
    const auto* end = static_cast<const char*>(std::memchr(buffer_.data() + begin, '\n', length_ - begin));
    if (end == nullptr) break;
    const auto length = static_cast<std::size_t>(end - buffer_.data()) - begin;
    if (!is_skipping_) take_line({buffer_.data() + begin, length}, sink, context);
    is_skipping_ = false;
    begin += length + 1;
  }
  length_ -= begin;
  std::memmove(buffer_.data(), buffer_.data() + begin, length_);
  if (length_ < buffer_.size()) return;
  // A line without end.
  ++malformed_;
  is_skipping_ = true;
  length_ = 0;
}

void KmsgReader::take_line(std::string_view line, Sink sink, void* context) {
  if (line.empty() || line.front() == ' ') return;
  const auto record = parse_kmsg_record(line);
  if (!record) {
    ++malformed_;
    return;
  }
  ++records_;
  if (has_sequence_ && record->sequence > sequence_ + 1) gaps_ += 1;
  has_sequence_ = true;
  sequence_ = record->sequence;
  const auto fault = parse_kmsg_text(record->text);
  if (fault.kind != KmsgKind::other) sink(context, fault);
}

}  // namespace inference_health::gpu

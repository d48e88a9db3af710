// /dev/kmsg, followed from now on. Takes a FIFO or a growing file as well, for tests.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "gpu/kmsg_line.h"
#include "snapshot/gpu_layout.h"

namespace inference_health::gpu {

class KmsgReader {
 public:
  using Sink = void (*)(void* context, const KmsgFault& fault);

  explicit KmsgReader(std::string path) : path_(std::move(path)) {}
  ~KmsgReader();
  KmsgReader(const KmsgReader&) = delete;
  KmsgReader& operator=(const KmsgReader&) = delete;

  /// Reads all there is and hands every fault to `sink`. Opens the log when it is not open and enough time has passed.
  void read(double now_ms, Sink sink, void* context);

  /// To wait on; −1 while there is nothing to wait on.
  int fd() const { return is_pollable_ ? fd_ : -1; }
  bool is_growing_file() const { return fd_ >= 0 && !is_pollable_; }

  KmsgState state() const { return state_; }
  double gaps() const { return gaps_; }
  double records() const { return records_; }
  double malformed() const { return malformed_; }

 private:
  void open(double now_ms);
  void close();
  void take_lines(Sink sink, void* context);
  void take_line(std::string_view line, Sink sink, void* context);

  std::string path_;
  int fd_ = -1;
  bool is_pollable_ = false;
  KmsgState state_ = KmsgState::missing;
  double next_open_ms_ = 0;
  bool has_sequence_ = false;
  std::uint64_t sequence_ = 0;
  double gaps_ = 0, records_ = 0, malformed_ = 0;
  // A record is at most 8 KiB with all its escapes; bytes beyond a line end wait for the rest of their line.
  std::array<char, 16384> buffer_;
  std::size_t length_ = 0;
  bool is_skipping_ = false;
};

}  // namespace inference_health::gpu

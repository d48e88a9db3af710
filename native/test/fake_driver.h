// A fake driver in a temporary folder, steered through its control file; see fake_nvml/control.h.
#pragma once

#include <cstdint>
#include <string>

#include "fake_nvml/control.h"
#include "fake_nvml/symbols.h"

namespace inference_health::test {

class FakeDriver {
 public:
  /// `age` is a folder of FAKE_NVML_DIRECTORY: 470, 535.43, 535.104, 550, 570 or 610.
  explicit FakeDriver(int gpus = 1, const char* age = "610");
  ~FakeDriver();
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  const std::string& library() const { return library_; }
  const std::string& folder() const { return folder_; }
  std::string kmsg() const { return folder_ + "/kmsg"; }
  FakeControl& control() { return *control_; }
  FakeHeader& header() { return control_->header; }
  FakeDevice& gpu(int slot) { return control_->devices[slot]; }
  FakeRule& rule(int symbol) { return control_->rules[symbol]; }

  static void set(std::int64_t& word, std::int64_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }
  static std::int64_t get(const std::int64_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }

  void block(int symbol, int device = -1);
  void release_all();
  /// What a thread that was given up in nvmlInit has left open.
  void close_sessions();
  void event(int slot, std::int64_t type, std::int64_t data, std::int64_t repeat = 1, std::int64_t gpu_instance = 0xffffffff,
             std::int64_t compute_instance = 0xffffffff);
  void add_mig(int slot, int parent, int index);
  /// Appends a record to the kernel log, an ordinary file.
  void log(const std::string& text);
  std::string uuid(int slot) const;
  std::string bus_id(int slot) const;

 private:
  std::string folder_, library_;
  using Function = std::int32_t (*)();
  Function init_ = nullptr, shutdown_ = nullptr;
  FakeControl* control_ = nullptr;
  std::int64_t sequence_ = 0;
};

}  // namespace inference_health::test

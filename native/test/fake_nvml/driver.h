// The fake driver in a C++ test: FakeDriver driver("570", 2); dlopen(driver.library().c_str(), …); driver.set(…).
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "control.h"
#include "symbols.h"

namespace inference_health::test {

/// A folder with a copy of the library (so that each is loaded by itself) and its control file. GPUs come with memory,
/// identity and supported events; everything else is 0 until set. The mapping outlives the object: a thread that is
/// blocked inside the library may still use it.
class FakeDriver {
 public:
  explicit FakeDriver(std::string_view age = "570", int gpus = 1) {
    namespace fs = std::filesystem;
    std::string name = (fs::temp_directory_path() / "fake-driver-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    fs::copy_file(fs::path(FAKE_NVML_DIRECTORY) / age / "libnvidia-ml.so.1", folder_ + "/libnvidia-ml.so.1");
    descriptor_ = open((folder_ + "/control").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ftruncate(descriptor_, sizeof(FakeControl)) != 0) std::abort();
    control_ = static_cast<FakeControl*>(
        mmap(nullptr, sizeof(FakeControl), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0));
    set(header().driverLoaded, 1);
    set(header().goneReturn, 9);
    set(header().cudaVersion, 12080);
    std::snprintf(control_->driverVersion, FAKE_LONG_TEXT, "%s.1.1", std::string(age).c_str());
    std::snprintf(control_->nvmlVersion, FAKE_LONG_TEXT, "12.%s.1.1", std::string(age).c_str());
    for (int symbol = 0; symbol < SYM_count; symbol += 1) {
      set(control_->rules[symbol].returnDevice, -1);
      set(control_->rules[symbol].blockDevice, -1);
    }
    for (int slot = 0; slot < gpus; slot += 1) add_gpu(slot);
    set(header().size, sizeof(FakeControl));
    set(header().layout, FAKE_LAYOUT);
    set(header().magic, FAKE_MAGIC);
  }
  ~FakeDriver() {
    clear();
    close(descriptor_);
    std::filesystem::remove_all(folder_);
  }
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  std::string library() const { return folder_ + "/libnvidia-ml.so.1"; }
  const std::string& folder() const { return folder_; }
  FakeHeader& header() { return control_->header; }
  FakeDevice& gpu(int slot) { return control_->devices[slot]; }
  FakeRule& rule(int symbol) { return control_->rules[symbol]; }

  static std::int64_t get(const std::int64_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
  /// Stores a word and wakes sleeping calls.
  void set(std::int64_t& word, std::int64_t value) {
    __atomic_store_n(&word, value, __ATOMIC_RELEASE);
    const std::int64_t any = 1;
    if (pwrite(descriptor_, &any, sizeof any, offsetof(FakeControl, header.wake)) != sizeof any) std::abort();
  }
  std::int64_t calls(int symbol) { return get(rule(symbol).calls); }

  void block(int symbol, int slot = -1) {
    set(rule(symbol).blockDevice, slot);
    set(rule(symbol).block, 1);
  }
  void release(int symbol) { set(rule(symbol).block, 0); }
  void fail(int symbol, int code, int slot = -1) {
    set(rule(symbol).returnDevice, slot);
    set(rule(symbol).returnCode, code);
  }
  /// Forgets every block, failure and latency.
  void clear() {
    for (int symbol = 0; symbol < SYM_count; symbol += 1) {
      FakeRule& one = rule(symbol);
      for (std::int64_t* word : {&one.block, &one.returnCode, &one.latencyUs, &one.slowUs}) __atomic_store_n(word, 0, __ATOMIC_RELEASE);
    }
    set(header().wake, 1);
  }
  void event(int slot, std::int64_t type, std::int64_t data, std::int64_t repeat = 1, std::int64_t gpu_instance = 0xffffffff,
             std::int64_t compute_instance = 0xffffffff) {
    const std::int64_t number = get(header().eventHead);
    FakeEvent& event = control_->events[number % FAKE_MAX_EVENTS];
    const std::int64_t values[] = {slot, type, data, gpu_instance, compute_instance, repeat, 0};
    std::int64_t* const words[] = {&event.device, &event.type, &event.data, &event.gpuInstance, &event.computeInstance,
                                   &event.repeat, &event.step};
    for (std::size_t index = 0; index < std::size(values); index += 1)
      __atomic_store_n(words[index], values[index], __ATOMIC_RELEASE);
    set(header().eventHead, number + 1);
  }

 private:
  void add_gpu(int slot) {
    FakeDevice& device = gpu(slot);
    std::snprintf(device.uuid, FAKE_LONG_TEXT, "GPU-fa4e0000-0000-4000-8000-%012x", static_cast<unsigned>(slot));
    std::snprintf(device.name, FAKE_LONG_TEXT, "Fake GPU");
    set(device.present, 1);
    set(device.parent, -1);
    set(device.pciBus, 0x0f + slot * 4);
    set(device.minor, slot);
    set(device.memTotalBytes, std::int64_t{80} << 30);
    set(device.memUsedBytes, std::int64_t{24} << 30);
    set(device.pcieWidth, 16);
    set(device.pcieMaxWidth, 16);
    set(device.supportedEvents, 0xffbf);
    set(device.kind, 1);
  }

  std::string folder_;
  int descriptor_ = -1;
  FakeControl* control_ = nullptr;
};

}  // namespace inference_health::test

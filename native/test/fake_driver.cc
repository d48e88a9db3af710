#include "fake_driver.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace inference_health::test {

FakeDriver::FakeDriver(int gpus, const char* age) {
  char name[] = "/tmp/fake-driver-XXXXXX";
  folder_ = mkdtemp(name);
  library_ = std::string(FAKE_NVML_DIRECTORY) + "/" + age + "/libnvidia-ml.so.1";
  const auto path = folder_ + "/control";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (ftruncate(fd, sizeof(FakeControl)) != 0) std::abort();
  control_ = static_cast<FakeControl*>(mmap(nullptr, sizeof(FakeControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);
  std::ofstream(kmsg()).flush();
  auto& head = header();
  set(head.layout, FAKE_LAYOUT);
  set(head.size, sizeof(FakeControl));
  set(head.driverLoaded, 1);
  set(head.goneReturn, 9);
  set(head.cudaVersion, 12080);
  std::snprintf(control_->driverVersion, sizeof control_->driverVersion, "610.57.04");
  std::snprintf(control_->nvmlVersion, sizeof control_->nvmlVersion, "13.610.57.04");
  for (int slot = 0; slot < gpus; ++slot) {
    auto& device = gpu(slot);
    std::snprintf(device.uuid, sizeof device.uuid, "%s", uuid(slot).c_str());
    std::snprintf(device.name, sizeof device.name, "NVIDIA H100");
    set(device.pciBus, 0x10 + slot);
    set(device.memTotalBytes, 80'000'000'000);
    set(device.memUsedBytes, std::int64_t{1'000'000'000} * (slot + 1));
    set(device.memReservedBytes, 500'000'000);
    set(device.utilGpuPercent, 35);
    set(device.eccMode, 1);
    set(device.supportedEvents, 0xffbf);
    set(device.pcieWidth, 16);
    set(device.pcieMaxWidth, 16);
    set(device.nvlinkCount, 4);
    set(device.parent, -1);
    set(device.present, 1);
    set(device.kind, 1);
  }
  for (auto& rule : control_->rules) {
    set(rule.returnDevice, -1);
    set(rule.blockDevice, -1);
  }
  set(head.magic, FAKE_MAGIC);
  setenv("FAKE_NVML_CONTROL", path.c_str(), 1);
  // The library looks for the file only when it is initialised, and system events come before that.
  void* const library = dlopen(library_.c_str(), RTLD_LAZY | RTLD_LOCAL);
  init_ = reinterpret_cast<Function>(dlsym(library, "nvmlInit_v2"));
  shutdown_ = reinterpret_cast<Function>(dlsym(library, "nvmlShutdown"));
  init_();
  shutdown_();
}

FakeDriver::~FakeDriver() {
  release_all();
  close_sessions();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  // Not unmapped: a call that was held may still be on its way out, and the library has its own mapping anyway.
}

void FakeDriver::block(int symbol, int device) {
  set(rule(symbol).blockDevice, device);
  set(rule(symbol).block, 1);
}

void FakeDriver::release_all() {
  for (auto& rule : control_->rules) set(rule.block, 0);
}

void FakeDriver::close_sessions() {
  // Those of a child that has ended are not ours to close.
  for (int i = 0; i < 8 && get(header().references) > 0; ++i) shutdown_();
}

void FakeDriver::event(int slot, std::int64_t type, std::int64_t data, std::int64_t repeat, std::int64_t gpu_instance,
                       std::int64_t compute_instance) {
  const auto number = get(header().eventHead);
  auto& event = control_->events[number % FAKE_MAX_EVENTS];
  set(event.device, slot);
  set(event.type, type);
  set(event.data, data);
  set(event.gpuInstance, gpu_instance);
  set(event.computeInstance, compute_instance);
  set(event.repeat, repeat);
  set(event.step, 0);
  set(header().eventHead, number + 1);
}

void FakeDriver::add_mig(int slot, int parent, int index) {
  set(gpu(parent).migMode, 1);
  set(gpu(parent).migMaxCount, 7);
  auto& device = gpu(slot);
  std::snprintf(device.uuid, sizeof device.uuid, "MIG-%08d", slot);
  set(device.migIndex, index);
  set(device.gpuInstance, 5 + index);
  set(device.computeInstance, 0);
  set(device.memTotalBytes, 10'000'000'000);
  set(device.parent, parent);
  set(device.present, 1);
  set(device.kind, 2);
}

void FakeDriver::log(const std::string& text) {
  std::ofstream file(kmsg(), std::ios::app);
  file << "4," << sequence_++ << ",1000000,-;" << text << "\n" << std::flush;
}

std::string FakeDriver::uuid(int slot) const { return "GPU-0000000" + std::to_string(slot); }

std::string FakeDriver::bus_id(int slot) const {
  char text[32];
  std::snprintf(text, sizeof text, "0000:%02x:00", 0x10 + slot);
  return text;
}

}  // namespace inference_health::test

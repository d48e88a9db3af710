// The fake driver itself, as a C++ client sees it.
#include <dlfcn.h>

#include <thread>
#include <vector>

#include "fake_driver.h"
#include "fake_nvml/abi.h"
#include "test.h"

namespace inference_health::test {
namespace {

struct Library {
  explicit Library(const FakeDriver& driver) : handle(dlopen(driver.library().c_str(), RTLD_NOW | RTLD_LOCAL)) {}
  template <typename Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(handle, name));
  }
  int call(const char* name) const { return find<int()>(name)(); }
  nvmlDevice device(unsigned index) const {
    nvmlDevice found = nullptr;
    find<int(unsigned, nvmlDevice*)>("nvmlDeviceGetHandleByIndex_v2")(index, &found);
    return found;
  }
  void* handle;
};

TEST("a fake driver answers after init, and with 1 after shutdown") {
  FakeDriver driver(2);
  const Library library(driver);
  const auto count = library.find<int(unsigned*)>("nvmlDeviceGetCount_v2");
  unsigned value = 0;
  CHECK_EQUAL(count(&value), 1);
  CHECK_EQUAL(library.call("nvmlInit_v2"), 0);
  CHECK_EQUAL(count(&value), 0);
  CHECK_EQUAL(value, 2U);
  CHECK_EQUAL(library.call("nvmlShutdown"), 0);
  CHECK_EQUAL(count(&value), 1);
  CHECK_EQUAL(FakeDriver::get(driver.header().uninitializedCalls), 2);
}

TEST("a younger driver's symbols are missing from an older one") {
  const auto has = [](const char* age, const char* name) {
    FakeDriver driver(1, age);
    return dlsym(Library(driver).handle, name) != nullptr;
  };
  CHECK(!has("470", "nvmlDeviceGetMemoryInfo_v2"));
  CHECK(has("535.43", "nvmlDeviceGetMemoryInfo_v2"));
  CHECK(!has("535.43", "nvmlDeviceGetGpuFabricInfoV"));
  CHECK(has("535.104", "nvmlDeviceGetGpuFabricInfoV"));
  CHECK(!has("570", "nvmlSystemEventSetCreate"));
  CHECK(has("610", "nvmlSystemEventSetCreate"));
}

TEST("a call that blocks is let go, and does not hold other calls") {
  FakeDriver driver;
  const Library library(driver);
  CHECK_EQUAL(library.call("nvmlInit_v2"), 0);
  const nvmlDevice device = library.device(0);
  driver.block(SYM_nvmlDeviceGetMemoryInfo_v2);
  std::thread stuck([&] {
    MemoryV2 memory{};
    memory.version = ABI_VERSION(MemoryV2, 2);
    CHECK_EQUAL(library.find<int(nvmlDevice, MemoryV2*)>("nvmlDeviceGetMemoryInfo_v2")(device, &memory), 0);
    CHECK_EQUAL(memory.total, std::uint64_t{80000000000});
  });
  while (FakeDriver::get(driver.header().blocked) == 0) std::this_thread::yield();
  Utilization utilization{};
  CHECK_EQUAL(library.find<int(nvmlDevice, Utilization*)>("nvmlDeviceGetUtilizationRates")(device, &utilization), 0);
  driver.release_all();
  stuck.join();
}

TEST("an event wait under way sees an event, a forced return and a burst") {
  FakeDriver driver(2);
  const Library library(driver);
  CHECK_EQUAL(library.call("nvmlInit_v2"), 0);
  nvmlEventSet set = nullptr;
  CHECK_EQUAL(library.find<int(nvmlEventSet*)>("nvmlEventSetCreate")(&set), 0);
  const auto enrol = library.find<int(nvmlDevice, std::uint64_t, nvmlEventSet)>("nvmlDeviceRegisterEvents");
  const auto wait = library.find<int(nvmlEventSet, EventData*, unsigned)>("nvmlEventSetWait_v2");
  driver.event(1, 8, 13);
  CHECK_EQUAL(enrol(library.device(1), 8, set), 0);
  EventData data{};
  CHECK_EQUAL(wait(set, &data, 0), 10);
  std::thread waiting([&] {
    CHECK_EQUAL(wait(set, &data, 10000), 0);
    CHECK_EQUAL(data.eventData, 79U);
    CHECK_EQUAL(data.gpuInstanceId, 0xffffffffU);
    CHECK(data.device == library.device(1));
  });
  driver.event(1, 8, 79);
  waiting.join();

  driver.event(1, 8, 45, 100000);
  int received = 0;
  while (wait(set, &data, 0) == 0) received += 1;
  CHECK_EQUAL(received, 100000);

  std::thread failing([&] { CHECK_EQUAL(wait(set, &data, 10000), 999); });
  while (FakeDriver::get(driver.rule(SYM_nvmlEventSetWait_v2).inside) == 0) std::this_thread::yield();
  FakeDriver::set(driver.rule(SYM_nvmlEventSetWait_v2).returnCode, 999);
  failing.join();
  FakeDriver::set(driver.rule(SYM_nvmlEventSetWait_v2).returnCode, 0);
  FakeDriver::set(driver.gpu(1).returnCode, 15);
  CHECK_EQUAL(wait(set, &data, 10000), 15);
}

TEST("a handle of an earlier session is refused and counted") {
  FakeDriver driver;
  const Library library(driver);
  library.call("nvmlInit_v2");
  const nvmlDevice old = library.device(0);
  library.call("nvmlShutdown");
  library.call("nvmlInit_v2");
  unsigned minor = 0;
  const auto get = library.find<int(nvmlDevice, unsigned*)>("nvmlDeviceGetMinorNumber");
  CHECK_EQUAL(get(old, &minor), 2);
  CHECK_EQUAL(get(library.device(0), &minor), 0);
  CHECK_EQUAL(FakeDriver::get(driver.header().staleHandles), 1);
}

}  // namespace
}  // namespace inference_health::test

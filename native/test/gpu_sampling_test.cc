// What the GPU threads learn from a driver that answers.
#include <cstring>

#include "gpu_case.h"

namespace inference_health::gpu {
namespace {

using test::eventually;
using test::FakeDriver;
using test::GpuCase;
constexpr auto set = FakeDriver::set;
constexpr auto get = FakeDriver::get;

/// Whatever a test did, the fake saw no misuse.
void check_manners(FakeDriver& fake) {
  auto& head = fake.header();
  CHECK_EQUAL(get(head.references), 0);
  CHECK_EQUAL(get(head.eventSets), 0);
  CHECK_EQUAL(get(head.uninitializedCalls), 0);
  CHECK_EQUAL(get(head.staleHandles), 0);
  CHECK_EQUAL(get(head.surplusShutdowns), 0);
  CHECK_EQUAL(get(head.shutdownsWhileInside), 0);
  CHECK_EQUAL(get(head.doubleFrees), 0);
  CHECK_EQUAL(get(head.freedSetUses), 0);
}

}  // namespace

TEST("every GPU is sampled in all tiers, and NVML is given back at the end") {
  FakeDriver fake(3);
  set(fake.gpu(1).memTemperatureC, 61);
  set(fake.gpu(1).nvlinkDownMask, 0b101);
  set(fake.gpu(1).nvlinkCrcFlit, 7);
  set(fake.gpu(1).recoveryAction, 1);
  {
    GpuCase gpu(fake, true);
    CHECK(gpu.is_ok());
    CHECK(gpu.is_sampled(3));
    CHECK_EQUAL(gpu.global(GpuField::count), 3.0);
    CHECK_EQUAL(gpu.global(GpuField::cudaVersion), 12080.0);
    CHECK_EQUAL(gpu.gpu(0, GpusField::memTotalBytes), 80e9);
    CHECK_EQUAL(gpu.gpu(2, GpusField::memUsedBytes), 3e9);
    CHECK_EQUAL(gpu.gpu(0, GpusField::utilGpuPercent), 35.0);
    CHECK_EQUAL(gpu.gpu(1, GpusField::memTemperatureC), 61.0);
    CHECK_EQUAL(gpu.gpu(1, GpusField::nvlinkCount), 4.0);
    CHECK_EQUAL(gpu.gpu(1, GpusField::nvlinkDown), 2.0);
    CHECK_EQUAL(gpu.gpu(1, GpusField::nvlinkErrors), 7.0);
    CHECK_EQUAL(gpu.gpu(1, GpusField::recoveryAction), 1.0);
    CHECK_EQUAL(gpu.gpu(3, GpusField::present), NAN);
    // Field 230 is a source of its own.
    CHECK_EQUAL(gpu.xid(1, 154, XidField::toAction), 1.0);
    CHECK_EQUAL(gpu.xid(1, 154, XidField::sources), double{kSourceField230});
    Texts texts;
    read_texts(texts);
    CHECK_EQUAL(std::string(texts.driver_version), "610.57.04");
    CHECK_EQUAL(std::string(texts.gpus[2].uuid), fake.uuid(2));
  }
  check_manners(fake);
}

TEST("drivers of every age are sampled with what they have") {
  for (const auto* age : {"470", "535.43", "535.104", "550", "570"}) {
    FakeDriver fake(1, age);
    {
      GpuCase gpu(fake, true);
      CHECK(gpu.is_sampled(1));
      CHECK_EQUAL(gpu.gpu(0, GpusField::memTotalBytes), 80e9);
      CHECK_EQUAL(gpu.gpu(0, GpusField::clockReasons), 0.0);
      CHECK_EQUAL(gpu.gpu(0, GpusField::remapPending), 0.0);
      CHECK_EQUAL(gpu.gpu(0, GpusField::lastReturn), 0.0);
    }
    check_manners(fake);
  }
}

TEST("what a GPU does not support is absent, and it is healthy") {
  FakeDriver fake;
  auto& device = fake.gpu(0);
  for (auto* word : {&device.powerMw, &device.eccMode, &device.fabricState, &device.remapPending, &device.recoveryAction,
                     &device.utilGpuPercent, &device.retiredPending})
    set(*word, FAKE_ABSENT);
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(1));
  CHECK_EQUAL(gpu.gpu(0, GpusField::powerMw), NAN);
  CHECK_EQUAL(gpu.gpu(0, GpusField::eccMode), NAN);
  CHECK_EQUAL(gpu.gpu(0, GpusField::recoveryAction), NAN);
  CHECK_EQUAL(gpu.gpu(0, GpusField::lastReturn), 0.0);
  CHECK_EQUAL(gpu.gpu(0, GpusField::lost), 0.0);
}

TEST("an event of every kind is recorded for its GPU") {
  FakeDriver fake(2);
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(2));
  fake.event(1, 0x8, 31);
  fake.event(1, 0x2, 0);
  fake.event(0, 0x2000, 0);
  fake.event(0, 0x4000, 0, 3);
  fake.event(-1, 0x8, 13);
  CHECK(eventually([&] { return gpu.global(GpuField::eventsReceived) == 7; }));
  CHECK_EQUAL(gpu.xid(1, 31, XidField::count), 1.0);
  CHECK_EQUAL(gpu.xid(1, 31, XidField::sources), double{kSourceNvml});
  CHECK_EQUAL(gpu.event(1, GpuEvent::eventDoubleBitEcc), 1.0);
  CHECK(gpu.event(1, GpuEvent::eventDoubleBitEccAtMs) > 0);
  CHECK_EQUAL(gpu.event(0, GpuEvent::eventFatalPoison), 1.0);
  CHECK_EQUAL(gpu.event(0, GpuEvent::eventUnavailable), 3.0);
  CHECK_EQUAL(gpu.event(1, GpuEvent::eventUnavailable), 0.0);
  CHECK_EQUAL(gpu.event(1, GpuEvent::eventUnavailableAtMs), NAN);
  CHECK_EQUAL(gpu.xid(-1, 13, XidField::count), 1.0);
}

TEST("a burst of a hundred thousand events is one row, and all are counted") {
  FakeDriver fake;
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(1));
  fake.event(0, 0x8, 45, 100'000);
  CHECK(eventually([&] { return gpu.xid(0, 45, XidField::count) == 100'000; }));
  CHECK_EQUAL(gpu.global(GpuField::xidRows), 1.0);
}

TEST("only the event types that the driver knows are asked for") {
  FakeDriver fake(2);
  set(fake.gpu(0).supportedEvents, 0x8);
  set(fake.gpu(1).supportedEvents, 0);
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(2));
  fake.event(0, 0x8, 13);
  CHECK(eventually([&] { return gpu.xid(0, 13, XidField::count) == 1; }));
  CHECK_EQUAL(get(fake.rule(SYM_nvmlDeviceRegisterEvents).errors), 0);
}

TEST("kernel lines and events of one fault meet in one row") {
  FakeDriver fake;
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(1));
  CHECK_EQUAL(gpu.global(GpuField::kmsgState), static_cast<double>(KmsgState::reading));
  fake.event(0, 0x8, 94);
  fake.log("NVRM: Xid (PCI:" + fake.bus_id(0) + "): 94, pid=4711, name=x, Contained. RST: No, D-RST: No");
  CHECK(eventually([&] { return gpu.xid(0, 94, XidField::sources) == (kSourceNvml | kSourceKmsg); }));
  CHECK_EQUAL(gpu.xid(0, 94, XidField::count), 1.0);
  CHECK_EQUAL(gpu.xid(0, 94, XidField::pid), 4711.0);
}

TEST("MIG devices are listed with their GPU, and events and lines are theirs") {
  FakeDriver fake(2);
  fake.add_mig(20, 1, 0);
  fake.add_mig(21, 1, 2);  // a gap at index 1
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(4));
  CHECK_EQUAL(gpu.global(GpuField::inventoryCount), 2.0);
  CHECK_EQUAL(gpu.gpu(3, GpusField::isMig), 1.0);
  CHECK_EQUAL(gpu.gpu(3, GpusField::parentSlot), 1.0);
  CHECK_EQUAL(gpu.gpu(3, GpusField::gpuInstance), 7.0);
  fake.event(1, 0x8, 13, 1, 7, 0);
  fake.log("NVRM: Xid (PCI:" + fake.bus_id(1) + " GPU-I:05 GPU-CI:00): 94, pid=1, name=x");
  CHECK(eventually([&] { return gpu.xid(3, 13, XidField::count) == 1 && gpu.xid(2, 94, XidField::count) == 1; }));
}

TEST("a lost GPU is named, the events of the others go on, and it returns by evidence") {
  FakeDriver fake(3);
  {
    GpuCase gpu(fake, true);
    CHECK(gpu.is_sampled(3));
    set(fake.gpu(1).returnCode, nvml::kGpuIsLost);
    CHECK(eventually([&] { return gpu.gpu(1, GpusField::lost) == 1; }));
    CHECK(gpu.gpu(1, GpusField::lostSinceMs) > 0);
    CHECK_EQUAL(gpu.gpu(1, GpusField::lastReturn), double{nvml::kGpuIsLost});
    CHECK_EQUAL(gpu.gpu(0, GpusField::lost), 0.0);
    CHECK(eventually([&] { return gpu.global(GpuField::eventState) == static_cast<double>(EventState::waiting); }));
    const auto waits = get(fake.rule(SYM_nvmlEventSetWait_v2).calls);
    // What comes before the new set is made is lost, as with every driver.
    CHECK(eventually([&] {
      fake.event(2, 0x8, 13);
      return gpu.xid(2, 13, XidField::count) > 0;
    }));
    // No busy loop over a wait that fails at once.
    CHECK(get(fake.rule(SYM_nvmlEventSetWait_v2).calls) - waits < 200);

    set(fake.gpu(1).returnCode, 0);
    CHECK(eventually([&] { return gpu.gpu(1, GpusField::lost) == 0; }));
    CHECK(gpu.gpu(1, GpusField::returnedAtMs) > 0);
    CHECK(eventually([&] {
      fake.event(1, 0x8, 31);
      return gpu.xid(1, 31, XidField::count) > 0;
    }));
  }
  check_manners(fake);
}

TEST("a GPU that vanishes is remembered although the indices shift") {
  FakeDriver fake(3);
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(3));
  set(fake.header().inventoryLive, 1);
  set(fake.gpu(0).present, 0);
  set(fake.gpu(0).returnCode, nvml::kGpuIsLost);
  CHECK(eventually([&] { return gpu.gpu(0, GpusField::present) == 0; }));
  CHECK(eventually([&] { return gpu.global(GpuField::count) == 2; }));
  CHECK_EQUAL(gpu.global(GpuField::inventoryCount), 3.0);
  CHECK_EQUAL(gpu.gpu(0, GpusField::lost), 1.0);
  CHECK_EQUAL(gpu.gpu(2, GpusField::memUsedBytes), 3e9);
  CHECK(eventually([&] { return gpu.gpu(2, GpusField::index) == 1; }));
  set(fake.gpu(0).returnCode, 0);
  set(fake.gpu(0).present, 1);
  CHECK(eventually([&] { return gpu.gpu(0, GpusField::present) == 1 && gpu.gpu(0, GpusField::lost) == 0; }));
}

TEST("why there is no GPU is told apart") {
  FakeDriver fake;
  const auto reason_of = [&](auto prepare, const char* library = nullptr) {
    GpuCase gpu(fake);
    gpu.options.root = fake.folder();
    if (library != nullptr) gpu.options.library = library;
    prepare(gpu);
    gpu.start();
    CHECK(eventually([&] { return gpu.state() == State::none; }));
    return gpu.none_reason();
  };
  CHECK_EQUAL(reason_of([](auto&) {}, "/nowhere/libnvidia-ml.so.1"), NoneReason::library_missing);
  set(fake.header().versionMismatch, 1);
  CHECK_EQUAL(reason_of([](auto&) {}), NoneReason::version_mismatch);
  set(fake.header().versionMismatch, 0);
  set(fake.header().driverLoaded, 0);
  CHECK_EQUAL(reason_of([](auto&) {}), NoneReason::driver_not_loaded);
  set(fake.header().driverLoaded, 1);
  set(fake.header().accessLost, 1);
  CHECK_EQUAL(reason_of([](auto&) {}), NoneReason::init_failed);
  set(fake.header().accessLost, 0);
  set(fake.gpu(0).present, 0);
  CHECK_EQUAL(reason_of([](auto&) {}), NoneReason::no_device_nodes);
}

TEST("a driver that comes later is found") {
  FakeDriver fake;
  set(fake.header().driverLoaded, 0);
  GpuCase gpu(fake, true);
  CHECK(eventually([&] { return gpu.state() == State::none; }));
  set(fake.header().driverLoaded, 1);
  CHECK(gpu.is_ok());
}

TEST("handles are given back and taken again on demand") {
  FakeDriver fake(2);
  {
    GpuCase gpu(fake, true);
    CHECK(gpu.is_sampled(2));
    release();
    CHECK(eventually([&] { return gpu.state() == State::released; }));
    CHECK_EQUAL(get(fake.header().references), 0);
    CHECK_EQUAL(get(fake.header().eventSets), 0);
    const auto calls = get(fake.rule(SYM_any).calls);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    CHECK_EQUAL(get(fake.rule(SYM_any).calls), calls);
    CHECK_EQUAL(gpu.global(GpuField::inventoryCount), 2.0);
    acquire();
    CHECK(gpu.is_ok());
    CHECK(eventually([&] {
      fake.event(1, 0x8, 31);
      return gpu.xid(1, 31, XidField::count) > 0;
    }));
  }
  check_manners(fake);
}

TEST("an announced unbind finds no handles, and a bind brings the GPUs back") {
  FakeDriver fake;
  {
    GpuCase gpu(fake, true);
    CHECK(gpu.is_sampled(1));
    fake.event(-2, 1, 0);
    CHECK(eventually([&] { return get(fake.header().references) == 0; }));
    set(fake.header().driverLoaded, 0);
    CHECK(eventually([&] { return gpu.state() == State::none; }));
    CHECK_EQUAL(gpu.none_reason(), NoneReason::driver_not_loaded);
    CHECK_EQUAL(gpu.gpu(0, GpusField::present), 0.0);
    set(fake.header().driverLoaded, 1);
    fake.event(-2, 2, 0);
    CHECK(gpu.is_ok());
    CHECK(eventually([&] { return gpu.gpu(0, GpusField::present) == 1; }));
  }
  check_manners(fake);
}

TEST("a driver that is gone without a word is noticed and found again") {
  FakeDriver fake(2);
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(2));
  set(fake.header().driverLoaded, 0);
  CHECK(eventually([&] { return gpu.state() == State::none; }));
  CHECK_EQUAL(gpu.none_reason(), NoneReason::driver_not_loaded);
  set(fake.header().driverLoaded, 1);
  CHECK(gpu.is_ok());
  CHECK(eventually([&] { return gpu.gpu(1, GpusField::present) == 1 && gpu.gpu(1, GpusField::lastReturn) == 0; }));
}

TEST("999 from everything is told as what it is, and passes") {
  FakeDriver fake(2);
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(2));
  set(fake.header().accessLost, 1);
  CHECK(eventually([&] { return gpu.gpu(0, GpusField::lastReturn) == 999 && gpu.gpu(1, GpusField::lastReturn) == 999; }));
  CHECK_EQUAL(gpu.gpu(0, GpusField::lost), 0.0);
  set(fake.header().accessLost, 0);
  CHECK(eventually([&] { return gpu.gpu(0, GpusField::lastReturn) == 0; }));
}

TEST("a tier that takes too long comes less often") {
  FakeDriver fake;
  set(fake.rule(SYM_nvmlDeviceGetPowerUsage).latencyUs, 5000);
  GpuCase gpu(fake, true);
  CHECK(eventually([&] { return gpu.global(GpuField::fastIntervalMs) >= 250; }));
  set(fake.rule(SYM_nvmlDeviceGetPowerUsage).latencyUs, 0);
  CHECK(eventually([&] { return gpu.global(GpuField::fastIntervalMs) < 100; }));
}

TEST("every call is timed") {
  FakeDriver fake;
  set(fake.rule(SYM_nvmlDeviceGetTemperature).latencyUs, 3000);
  GpuCase gpu(fake, true);
  CHECK(gpu.is_sampled(1));
  std::vector<double> calls(kSymbols * kCallStride);
  read_calls(calls);
  const auto at = [&](Symbol symbol, CallField field) {
    return calls[static_cast<std::size_t>(symbol) * kCallStride + static_cast<std::size_t>(field)];
  };
  CHECK(at(Symbol::temperature, CallField::calls) > 0);
  CHECK(at(Symbol::temperature, CallField::maxUs) >= 3000);
  CHECK(at(Symbol::temperature, CallField::sumUs) >= 3000);
  CHECK_EQUAL(at(Symbol::temperature, CallField::le2000), 0.0);
  CHECK_EQUAL(at(Symbol::temperature, CallField::available), 1.0);
}

TEST("the GPU part is started once, and starts and stops leave nothing behind") {
  FakeDriver fake(2);
  for (int round = 0; round < 20; ++round) {
    GpuCase gpu(fake, true);
    CHECK(!gpu.start());
    if (round % 3 == 0) CHECK(gpu.is_ok());
    if (round % 3 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(round));
  }
  CHECK(test::is_everyone_home());
  check_manners(fake);
}

}  // namespace inference_health::gpu

// A driver that does not answer.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "gpu_case.h"

namespace inference_health::gpu {
namespace {

using test::eventually;
using test::FakeDriver;
using test::GpuCase;
constexpr auto set = FakeDriver::set;
constexpr auto get = FakeDriver::get;

bool is_stuck_in(const GpuCase& gpu, Symbol symbol) {
  return eventually([&] {
    return gpu.state() == State::unresponsive && gpu.global(GpuField::stuckCall) == static_cast<double>(symbol);
  });
}

}  // namespace

TEST("a driver that hangs in its initialisation is reported, and the kernel log is read on") {
  FakeDriver fake;
  fake.block(SYM_nvmlInit_v2);
  {
    GpuCase gpu(fake, true);
    CHECK(is_stuck_in(gpu, Symbol::init));
    CHECK(gpu.global(GpuField::stuckSinceMs) > 0);
    fake.log("NVRM: Xid (PCI:0000:3b:00): 119, pid=1, name=x, Timeout");
    CHECK(eventually([&] { return gpu.xid(-1, 119, XidField::count) == 1; }));
    CHECK_EQUAL(gpu.global(GpuField::replacementThreads), 0.0);
    set(fake.rule(SYM_nvmlInit_v2).block, 0);
    CHECK(gpu.is_ok());
  }
  CHECK(test::is_everyone_home());
}

TEST("a driver that hangs in any call is reported within the deadline, and goes on when it answers") {
  constexpr std::pair<int, Symbol> kCalls[] = {
      {SYM_nvmlDeviceGetCount_v2, Symbol::count},
      {SYM_nvmlDeviceGetHandleByIndex_v2, Symbol::handle_by_index},
      {SYM_nvmlDeviceGetMemoryInfo_v2, Symbol::memory_v2},
      {SYM_nvmlDeviceGetFieldValues, Symbol::field_values},
      {SYM_nvmlDeviceGetComputeRunningProcesses_v3, Symbol::compute_processes_v3},
      {SYM_nvmlSystemEventSetWait, Symbol::system_wait},
      {SYM_nvmlEventSetWait_v2, Symbol::event_set_wait},
      {SYM_nvmlDeviceRegisterEvents, Symbol::event_register},
  };
  for (const auto& [fake_symbol, symbol] : kCalls) {
    FakeDriver fake(2);
    fake.block(fake_symbol);
    {
      GpuCase gpu(fake);
      // Nothing but the one thread, whatever is stuck.
      replacement_threads = 1;
      gpu.start();
      CHECK(is_stuck_in(gpu, symbol));
      const double since = gpu.global(GpuField::stuckSinceMs), now = gpu.global(GpuField::observedAtMs);
      CHECK(now - since < 5000);
      set(fake.rule(fake_symbol).block, 0);
      CHECK(gpu.is_ok());
      CHECK(gpu.is_sampled(2));
      CHECK_EQUAL(gpu.global(GpuField::stuckCall), NAN);
    }
    CHECK(test::is_everyone_home());
    CHECK_EQUAL(get(fake.header().references), 0);
  }
}

TEST("a GPU whose call hangs costs one replacement thread, which goes on with the others") {
  FakeDriver fake(3);
  {
    GpuCase gpu(fake, true);
    CHECK(gpu.is_sampled(3));
    fake.block(SYM_nvmlDeviceGetPowerUsage, 1);
    CHECK(eventually([&] { return gpu.gpu(1, GpusField::stuck) == 1; }));
    CHECK_EQUAL(gpu.global(GpuField::stuckGpu), 1.0);
    CHECK_EQUAL(gpu.state(), State::unresponsive);
    const double sampled = gpu.gpu(2, GpusField::fastAtMs);
    CHECK(eventually([&] { return gpu.gpu(2, GpusField::fastAtMs) > sampled; }));
    CHECK(eventually([&] {
      fake.event(2, 0x8, 31);
      return gpu.xid(2, 31, XidField::count) > 0;
    }));
    // Where the replacement gets stuck as well there is no third.
    fake.block(SYM_nvmlDeviceGetTemperature, 2);
    CHECK(eventually([&] { return get(fake.header().blocked) == 2; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    CHECK_EQUAL(get(fake.header().blocked), 2);
    CHECK_EQUAL(gpu.global(GpuField::replacementThreads), 1.0);
    CHECK(get(fake.header().threads) <= 4);  // with the test itself

    fake.release_all();
    CHECK(gpu.is_ok());
    CHECK(eventually([&] { return gpu.gpu(1, GpusField::stuck) == 0 && gpu.gpu(1, GpusField::fastAtMs) > sampled; }));
  }
  CHECK(test::is_everyone_home());
  CHECK_EQUAL(get(fake.header().references), 0);
  CHECK_EQUAL(get(fake.header().eventSets), 0);
}

TEST("a stop does not wait for a thread that is stuck, and what it does later is seen by nobody") {
  for (const int symbol : {SYM_nvmlInit_v2, SYM_nvmlDeviceGetMemoryInfo_v2, SYM_nvmlEventSetWait_v2}) {
    FakeDriver fake(2);
    fake.block(symbol);
    {
      GpuCase gpu(fake, true);
      CHECK(eventually([&] { return get(fake.header().blocked) > 0; }));
      const auto stopping = std::chrono::steady_clock::now();
      stop();
      CHECK(std::chrono::steady_clock::now() - stopping < std::chrono::seconds(3));
      CHECK_EQUAL(gpu.state(), State::off);
    }
    const auto version = gpu_version();
    const auto calls = get(fake.rule(SYM_any).calls);
    fake.release_all();
    CHECK(test::is_everyone_home());
    CHECK_EQUAL(gpu_version(), version);
    // Not one more word to the driver.
    CHECK_EQUAL(get(fake.rule(SYM_any).calls), calls);
    fake.close_sessions();
    nvml_references = 0;
  }
}

TEST("after threads that never came back a start says so instead of adding more") {
  // Where they are a process's they end with it.
  if (test::is_isolated()) return;
  FakeDriver fake;
  fake.block(SYM_nvmlInit_v2);
  for (int round = 0; round < 2; ++round) {
    GpuCase gpu(fake, true);
    CHECK(eventually([&] { return get(fake.header().blocked) == round + 1; }));
  }
  {
    GpuCase gpu(fake, true);
    CHECK(eventually([&] { return gpu.state() == State::unresponsive; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    CHECK_EQUAL(get(fake.header().blocked), 2);
    // Once one of them is back, its place is taken.
    set(fake.rule(SYM_nvmlInit_v2).block, 0);
    CHECK(gpu.is_ok());
  }
  CHECK(test::is_everyone_home());
  fake.close_sessions();
  nvml_references = 0;
}

TEST("a release does not take the library from under a thread that is stuck") {
  FakeDriver fake(2);
  {
    GpuCase gpu(fake, true);
    CHECK(gpu.is_sampled(2));
    fake.block(SYM_nvmlEventSetWait_v2);
    CHECK(eventually([&] { return get(fake.header().blocked) == 1; }));
    release();
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    CHECK_EQUAL(get(fake.header().references), 1);
    CHECK_EQUAL(gpu.state(), State::unresponsive);
    fake.release_all();
    CHECK(eventually([&] { return gpu.state() == State::released; }));
    CHECK_EQUAL(get(fake.header().references), 0);
  }
  CHECK(test::is_everyone_home());
  CHECK_EQUAL(get(fake.header().shutdownsWhileInside), 0);
}

TEST("many threads read, release, acquire and restart at once") {
  FakeDriver fake(4);
  given_up_threads = 0;
  std::atomic<bool> stop_all{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      std::vector<double> values(kMaxGpus * kGpusStride);
      while (!stop_all) {
        read_gpus(values);
        // Three values of one sample belong together.
        const double total = values[static_cast<std::size_t>(GpusField::memTotalBytes)];
        CHECK(total != total || total == 80e9);
        read_xids(values);
        std::this_thread::yield();
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    GpuCase gpu(fake);
    gpu.options.deadline_ms = gpu.options.init_deadline_ms = 20'000;
    gpu.start();
    CHECK(gpu.is_ok());
    fake.event(round % 4, 0x8, 31, 50);
    release();
    if (round % 2 == 0) CHECK(eventually([&] { return gpu.state() == State::released; }));
    acquire();
    refresh();
    if (round % 3 == 0) CHECK(gpu.is_ok());
  }
  stop_all = true;
  for (auto& thread : threads) thread.join();
  CHECK(test::is_everyone_home());
  CHECK_EQUAL(get(fake.header().staleHandles), 0);
  CHECK_EQUAL(get(fake.header().freedSetUses), 0);
  // A machine that is too busy for a stop of one second leaves a thread and its handles behind.
  CHECK(get(fake.header().eventSets) <= 2 * given_up_threads);
  CHECK(get(fake.header().references) <= given_up_threads);
  nvml_references = 0;
}

// Started by the test below: a copy made by fork of a process with threads could not even allocate for certain.
TEST("the process that ends although its threads are in the driver for ever") {
  const char* const library = std::getenv("ENDS_IN_DRIVER");
  if (library == nullptr) return;
  Options options;
  options.library = library;
  options.deadline_ms = options.init_deadline_ms = 400;
  options.fast_ms = options.medium_ms = options.slow_ms = 20;
  if (test::is_isolated()) options.helper = HELPER;
  start(options);
  char byte;
  // Until the driver holds a thread; then with exit handlers and static destructors, as process.exit does.
  if (read(STDIN_FILENO, &byte, 1) == 1) std::exit(0);
  _exit(1);
}

TEST("a process ends although its threads are in the driver for ever") {
  for (const int symbol : {SYM_nvmlInit_v2, SYM_nvmlDeviceGetMemoryInfo_v2, SYM_nvmlEventSetWait_v2}) {
    FakeDriver fake;
    fake.block(symbol);
    // The leak checker stops all threads by ptrace, and may wait for ever for one that is in a system call.
    std::string library = "ENDS_IN_DRIVER=" + fake.library(), leaks = "ASAN_OPTIONS=detect_leaks=0";
    std::vector<char*> environment{library.data(), leaks.data()};
    for (char** each = environ; *each != nullptr; ++each) environment.push_back(*each);
    environment.push_back(nullptr);
    int pipes[2];
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    const pid_t child = fork();
    if (child == 0) {
      dup2(pipes[0], STDIN_FILENO);
      execle("/proc/self/exe", "tests", "the process that ends although", nullptr, environment.data());
      _exit(127);
    }
    close(pipes[0]);
    CHECK(eventually([&] { return get(fake.header().blocked) > 0; }));
    CHECK(write(pipes[1], "x", 1) == 1);
    int status = -1;
    const bool has_ended = eventually([&] { return waitpid(child, &status, WNOHANG) == child; });
    CHECK(has_ended);
    if (!has_ended) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(pipes[1]);
  }
}

}  // namespace inference_health::gpu

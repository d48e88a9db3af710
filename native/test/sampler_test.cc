#include "host/sampler.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "fake_tree.h"
#include "snapshot/block.h"
#include "test.h"

namespace inference_health::host {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::atomic<int> ticks{0};

struct Running {
  explicit Running(std::string_view root, double hz = 100) {
    result = start_sampler({root, hz, false, [](double) { ++ticks; }});
  }
  ~Running() { stop_sampler(); }
  StartResult result;
};

double slot(HostField field) {
  std::array<double, kHostSlots> into;
  block.host.read(into);
  return into[static_cast<std::size_t>(field)];
}

/// Sampler threads of this process. One that was joined stays in the list for a moment, so a test waits for its number.
int sampler_threads() {
  int count = 0;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    count += name == "health-sampler";
  }
  return count;
}

template <typename Condition>
bool eventually(Condition condition) {
  const auto end = steady_clock::now() + 10s;
  while (!condition()) {
    if (steady_clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

}  // namespace

TEST("the first sample is there when the start returns") {
  test::FakeTree tree("v2-container");
  const auto before = block.host.version();
  const Running sampler(tree.root(), 1);
  CHECK_EQUAL(sampler.result, StartResult::started);
  CHECK_EQUAL(block.host.version(), before + 1);
  CHECK_EQUAL(slot(HostField::cgroupPidsMax), 512.0);
}

TEST("there is one sampler however often it is started") {
  const Running first("/");
  CHECK_EQUAL(start_sampler({"/", 1, false, nullptr}), StartResult::already_running);
  CHECK(eventually([] { return sampler_threads() == 1; }));
}

TEST("samples follow at the rate that was asked for, and what hangs on them") {
  const Running sampler("/", 100);
  const auto version = block.host.version();
  const int before = ticks;
  const auto started = steady_clock::now();
  CHECK(eventually([&] { return block.host.version() >= version + 20; }));
  CHECK(steady_clock::now() - started >= 150ms);
  CHECK(ticks > before + 10);
}

TEST("a stop ends a long sleep at once and leaves the last sample") {
  auto started = steady_clock::now();
  {
    const Running sampler("/", 1);
    started = steady_clock::now();
  }
  CHECK(steady_clock::now() - started < 500ms);
  CHECK(slot(HostField::memTotalBytes) > 0);
  stop_sampler();
}

TEST("starts and stops leave no descriptor and no thread behind") {
  double before = 0;
  for (int round = 0; round < 50; ++round) {
    const Running sampler("/", 100);
    if (round == 5) before = slot(HostField::openFds);
    if (round > 5) CHECK_EQUAL(slot(HostField::openFds), before);
  }
  CHECK(eventually([] { return sampler_threads() == 0; }));
}

TEST("a root that is too long is refused") {
  CHECK_EQUAL(start_sampler({std::string(5000, 'x'), 1, false, nullptr}), StartResult::root_too_long);
}

TEST("a forked child starts its own sampler and reads its own /proc/self") {
  // The child of a process with threads may only use what survives fork, which ThreadSanitizer's runtime does not.
  if (test::kUnderThreadSanitizer) return;
  const Running sampler("/");
  CHECK(eventually([] { return sampler_threads() == 1; }));
  const pid_t child = fork();
  if (child == 0) {
    const bool is_started = start_sampler({"/", 100, false, nullptr}) == StartResult::started;
    const bool is_own = slot(HostField::threads) == 1 && eventually([] { return slot(HostField::threads) == 2; });
    stop_sampler();
    _exit(is_started && is_own ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST("a sampler that is stuck is left behind after a second, and replaced once it has come out") {
  static std::atomic<bool> is_stuck;
  is_stuck = false;
  start_sampler({"/", 100, false, [](double) {
                   is_stuck = true;
                   while (is_stuck) std::this_thread::sleep_for(1ms);
                 }});
  CHECK(eventually([] { return is_stuck.load(); }));
  const auto started = steady_clock::now();
  stop_sampler();
  const auto waited = steady_clock::now() - started;
  CHECK(waited >= 900ms && waited < 5s);
  CHECK_EQUAL(start_sampler({"/", 100, false, nullptr}), StartResult::no_thread);
  is_stuck = false;
  CHECK(eventually([] { return start_sampler({"/", 100, false, nullptr}) == StartResult::started; }));
  stop_sampler();
}

TEST("many threads read, start and stop at once") {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop) CHECK(!(slot(HostField::memTotalBytes) <= 0));
    });
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        start_sampler({"/", 100, false, nullptr});
        std::this_thread::sleep_for(1ms);
        stop_sampler();
      }
    });
  }
  threads[1].join();
  threads[3].join();
  stop = true;
  threads[0].join();
  threads[2].join();
}

}  // namespace inference_health::host

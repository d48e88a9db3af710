// The GPU part in a process of its own, which may end, be stopped or be stuck.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "fake_tree.h"
#include "gpu_case.h"

namespace inference_health::gpu {
namespace {

using test::eventually;
using test::FakeDriver;
using test::GpuCase;
constexpr auto set = FakeDriver::set;
constexpr auto get = FakeDriver::get;

struct HelperCase : GpuCase {
  explicit HelperCase(FakeDriver& fake) : GpuCase(fake) { options.helper = HELPER; }

  HelperState helper() const { return static_cast<HelperState>(static_cast<int>(global(GpuField::helperState))); }
  pid_t pid() const {
    const double pid = global(GpuField::helperPid);
    return pid > 0 ? static_cast<pid_t>(pid) : 0;
  }
  /// The pid of a helper that is not `before`, once it runs.
  pid_t next(pid_t before = 0) const {
    eventually([&] { return helper() == HelperState::running && pid() != 0 && pid() != before; });
    return pid();
  }
};

bool is_alive(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  return file >> number >> name >> state && state != "Z";
}

int exit_code(const char* argument, int mapping) {
  const pid_t pid = fork();
  if (pid == 0) {
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 2);
    if (mapping < 0) close(3);
    else dup2(mapping, 3);
    execl(HELPER, "inference-health-gpu", argument, nullptr);
    _exit(1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A helper that is not the reader's, on its file.
struct Sidecar {
  explicit Sidecar(const FakeDriver& fake) : path(fake.folder() + "/segment") { start(fake); }
  ~Sidecar() { stop(SIGKILL); }

  void start(const FakeDriver& fake) {
    pid = fork();
    if (pid != 0) return;
    execl(HELPER, "inference-health-gpu", "--file", path.c_str(), "--library", fake.library().c_str(), "--kmsg",
          fake.kmsg().c_str(), nullptr);
    _exit(1);
  }
  int stop(int signal) {
    if (pid == 0) return -1;
    kill(pid, signal);
    int status = 0;
    waitpid(std::exchange(pid, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string path;
  pid_t pid = 0;
};

}  // namespace

TEST("a helper that is killed is started anew and goes on with what its predecessor knew") {
  FakeDriver fake(2);
  {
    HelperCase gpu(fake);
    gpu.start();
    CHECK(gpu.is_sampled(2));
    const pid_t first = gpu.next();
    CHECK_EQUAL(gpu.global(GpuField::helperRestarts), 0.0);
    fake.event(1, 0x8, 31);
    CHECK(eventually([&] { return gpu.xid(1, 31, XidField::count) == 1; }));
    set(fake.gpu(0).present, 0);
    const auto version = gpu_version();
    kill(first, SIGKILL);
    CHECK(eventually([&] { return gpu.helper() == HelperState::ended; }));
    CHECK_EQUAL(gpu.state(), State::starting);
    CHECK_EQUAL(gpu.gpu(1, GpusField::memTotalBytes), 80e9);
    CHECK(gpu_version() > version);
    const pid_t second = gpu.next(first);
    CHECK(second != 0 && second != first);
    CHECK(gpu.is_ok());
    CHECK_EQUAL(gpu.global(GpuField::helperRestarts), 1.0);
    CHECK_EQUAL(gpu.xid(1, 31, XidField::count), 1.0);
    // A GPU that went meanwhile is missed.
    CHECK(eventually([&] { return gpu.gpu(0, GpusField::present) == 0 && gpu.gpu(1, GpusField::present) == 1; }));
    CHECK(!is_alive(first));
  }
  CHECK(test::is_everyone_home());
}

TEST("a helper ends with its process, however that ends") {
  FakeDriver fake;
  for (const bool is_stuck : {false, true}) {
    int pipe_fds[2];
    CHECK_EQUAL(pipe(pipe_fds), 0);
    const pid_t child = fork();
    if (child == 0) {
      HelperCase gpu(fake);
      gpu.start();
      if (!gpu.is_ok()) _exit(1);
      if (is_stuck) {
        fake.block(SYM_nvmlDeviceGetMemoryInfo_v2);
        if (!eventually([&] { return gpu.state() == State::unresponsive; })) _exit(1);
      }
      const pid_t helper = gpu.next();
      if (write(pipe_fds[1], &helper, sizeof helper) != sizeof helper) _exit(1);
      for (;;) pause();
    }
    close(pipe_fds[1]);
    pid_t helper = 0;
    CHECK_EQUAL(read(pipe_fds[0], &helper, sizeof helper), static_cast<ssize_t>(sizeof helper));
    close(pipe_fds[0]);
    CHECK(is_alive(helper));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK(eventually([&] { return !is_alive(helper); }));
    fake.release_all();
  }
  set(fake.header().references, 0);
}

TEST("a helper holds nothing of its process and leaves signals to it") {
  FakeDriver fake;
  test::FakeTree tree;
  tree.write("/leaked", "");
  const int leaked = open((tree.root() + "/leaked").c_str(), O_RDONLY);  // not close-on-exec, as libraries forget
  HelperCase gpu(fake);
  gpu.start();
  CHECK(gpu.is_ok());
  const pid_t pid = gpu.next();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) kill(pid, signal);
  const auto folder = "/proc/" + std::to_string(pid) + "/fd";
  int descriptors = 0;
  if (DIR* const list = opendir(folder.c_str())) {
    while (const dirent* const entry = readdir(list)) {
      char target[256] = {};
      if (readlink((folder + "/" + entry->d_name).c_str(), target, sizeof target - 1) <= 0) continue;
      ++descriptors;
      CHECK(std::strstr(target, "/leaked") == nullptr);
      if (std::atoi(entry->d_name) < 3) CHECK_EQUAL(std::string(target), "/dev/null");
    }
    closedir(list);
  }
  CHECK(descriptors > 3);
  close(leaked);
  const double sampled = gpu.gpu(0, GpusField::fastAtMs);
  CHECK(eventually([&] { return gpu.gpu(0, GpusField::fastAtMs) > sampled; }));
  CHECK_EQUAL(gpu.pid(), pid);
}

TEST("a helper that is silent is reported, killed and replaced") {
  FakeDriver fake;
  HelperCase gpu(fake);
  gpu.options.silent_ms = 500;
  gpu.start();
  CHECK(gpu.is_ok());
  const pid_t first = gpu.next();
  kill(first, SIGSTOP);
  CHECK(eventually([&] { return gpu.helper() == HelperState::stuck; }));
  CHECK_EQUAL(gpu.state(), State::unresponsive);
  CHECK(gpu.global(GpuField::stuckSinceMs) > 0);
  CHECK(gpu.next(first) != first);
  CHECK(gpu.is_ok());
  CHECK(!is_alive(first));
}

TEST("a helper that cannot be started is said so and tried again") {
  FakeDriver fake;
  test::FakeTree tree;
  const auto program = tree.root() + "/helper";
  {
    HelperCase gpu(fake);
    gpu.options.helper = program;
    CHECK(gpu.start());
    CHECK(eventually([&] { return gpu.helper() == HelperState::cannot_start; }));
    CHECK_EQUAL(gpu.state(), State::starting);
    if (symlink(HELPER, program.c_str()) != 0) std::abort();
    CHECK(gpu.is_ok());
    CHECK_EQUAL(gpu.helper(), HelperState::running);
  }
  CHECK(test::is_everyone_home());
}

TEST("a helper without its mapping, without its parent or without arguments ends at once") {
  CHECK_EQUAL(exit_code(nullptr, -1), 64);
  CHECK_EQUAL(exit_code("x", -1), 64);
  const auto parent = std::to_string(getpid());
  CHECK_EQUAL(exit_code(parent.c_str(), -1), 65);
  const int null = open("/dev/null", O_RDWR);
  CHECK_EQUAL(exit_code(parent.c_str(), null), 65);
  close(null);
  CHECK_EQUAL(exit_code("1", -1), 0);
}

TEST("a stop does not wait for a helper that is stuck, and the next start has another") {
  FakeDriver fake;
  for (int round = 0; round < 3; ++round) {
    HelperCase gpu(fake);
    gpu.start();
    CHECK(gpu.is_ok());
    const pid_t pid = gpu.next();
    fake.block(SYM_nvmlDeviceGetMemoryInfo_v2);
    CHECK(eventually([&] { return gpu.state() == State::unresponsive; }));
    // Stands in for one that the kernel cannot end.
    kill(pid, SIGSTOP);
    const auto stopping = std::chrono::steady_clock::now();
    stop();
    CHECK(std::chrono::steady_clock::now() - stopping < std::chrono::milliseconds(2500));
    CHECK_EQUAL(gpu.state(), State::off);
    fake.release_all();
  }
  CHECK(test::is_everyone_home());
  set(fake.header().references, 0);
}

TEST("who could not end is said: a process with a stuck thread, and a container with a stuck helper") {
  for (const bool is_isolated : {false, true}) {
    for (const bool is_container : {false, true}) {
      FakeDriver fake;
      test::FakeTree tree;
      // Under another root a file there stands for the host's namespace.
      if (!is_container) tree.write("/proc/self/ns/pid", "");
      {
        GpuCase gpu(fake);
        gpu.options.helper = is_isolated ? HELPER : "";
        gpu.options.root = tree.root();
        gpu.start();
        CHECK(gpu.is_ok());
        CHECK_EQUAL(gpu.global(GpuField::restartBlocked), 0.0);
        fake.block(SYM_nvmlDeviceGetMemoryInfo_v2);
        CHECK(eventually([&] { return gpu.state() == State::unresponsive; }));
        CHECK_EQUAL(gpu.global(GpuField::restartBlocked), is_isolated && !is_container ? 0.0 : 1.0);
        fake.release_all();
        CHECK(gpu.is_ok());
        CHECK_EQUAL(gpu.global(GpuField::restartBlocked), 0.0);
      }
      CHECK(test::is_everyone_home());
    }
  }
}

TEST("a helper that somebody else runs is followed, through its ends and starts") {
  FakeDriver fake(2);
  HelperCase gpu(fake);
  gpu.options.silent_ms = 1000;
  gpu.options.segment = fake.folder() + "/segment";
  gpu.start();
  CHECK_EQUAL(gpu.state(), State::starting);
  CHECK(eventually([&] { return gpu.helper() == HelperState::ended; }));
  Sidecar sidecar(fake);
  CHECK(gpu.is_ok());
  CHECK(gpu.is_sampled(2));
  CHECK_EQUAL(gpu.helper(), HelperState::running);
  fake.event(1, 0x8, 31);
  CHECK(eventually([&] { return gpu.xid(1, 31, XidField::count) == 1; }));
  release();
  CHECK(eventually([&] { return gpu.state() == State::released; }));
  acquire();
  CHECK(gpu.is_ok());

  CHECK_EQUAL(sidecar.stop(SIGTERM), 0);
  CHECK(eventually([&] { return gpu.helper() == HelperState::ended; }));
  CHECK_EQUAL(gpu.state(), State::starting);
  sidecar.start(fake);
  CHECK(gpu.is_ok());
  CHECK_EQUAL(gpu.xid(1, 31, XidField::count), 1.0);

  kill(sidecar.pid, SIGSTOP);
  CHECK(eventually([&] { return gpu.helper() == HelperState::stuck; }));
  CHECK_EQUAL(gpu.state(), State::unresponsive);
  CHECK_EQUAL(gpu.global(GpuField::restartBlocked), 0.0);
  kill(sidecar.pid, SIGCONT);
  CHECK(gpu.is_ok());

  // A second one is refused, and the reader's end is not the helper's.
  Sidecar second(fake);
  int status = 0;
  waitpid(std::exchange(second.pid, 0), &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 75);
  stop();
  CHECK_EQUAL(gpu.state(), State::off);
  CHECK(is_alive(sidecar.pid));
}

TEST("a helper with a file loads the library it was told to, whatever the file says") {
  FakeDriver fake;
  Sidecar sidecar(fake);
  HelperCase gpu(fake);
  gpu.options.segment = sidecar.path;
  gpu.start();
  CHECK(gpu.is_ok());
  sidecar.stop(SIGTERM);
  std::fstream file(sidecar.path, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(offsetof(helper::Mapping, setup) + offsetof(helper::Setup, library));
  const std::string other = "/nowhere/libnvidia-ml.so.1";
  file.seekp(at);
  file.write(other.c_str(), static_cast<std::streamsize>(other.size() + 1));
  file.flush();
  sidecar.start(fake);
  CHECK(gpu.is_ok());
  // It did not write its own over it either, to read that back later.
  std::string text(other.size(), '\0');
  file.seekg(at);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  CHECK_EQUAL(text, other);
}

TEST("a helper leaves a file alone that is not its own, and replaces one of another build") {
  FakeDriver fake;
  std::ofstream(fake.folder() + "/segment") << "somebody's notes";
  {
    Sidecar sidecar(fake);
    CHECK_EQUAL(sidecar.stop(0), 75);
    std::string text;
    std::ifstream(sidecar.path) >> text;
    CHECK_EQUAL(text, "somebody's");
    const std::uint64_t magic = 0x75706720687463;
    std::ofstream(sidecar.path, std::ios::trunc | std::ios::binary).write(reinterpret_cast<const char*>(&magic), sizeof magic);
  }
  Sidecar sidecar(fake);
  HelperCase gpu(fake);
  gpu.options.segment = sidecar.path;
  gpu.start();
  CHECK(gpu.is_ok());
}

}  // namespace inference_health::gpu

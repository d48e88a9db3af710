// The helper process: the GPU threads, writing to a mapping that another process reads. Started by that process it ends when
// it is told to and when that process is gone; started with a file (by a supervisor, or as a container) it ends on a signal.
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <new>
#include <string>
#include <string_view>

#include "gpu/gpu.h"
#include "helper/mapping.h"

namespace {

using namespace inference_health;
using helper::Mapping;

constexpr long kTurnNs = 500'000'000;

constexpr const char* kUsage =
    "inference-health-gpu --file PATH [--library PATH] [--kmsg PATH]\n"
    "reads the GPUs and keeps what it finds in PATH, for gpu.isolation: 'process' with gpu.segment: PATH.\n"
    "Without gpu.segment inference-health starts this program itself.\n";

volatile sig_atomic_t is_told_to_end = 0;

/// Only `ends` get through, and set `is_told_to_end`; SIGUSR1 only wakes.
void take_signals(std::initializer_list<int> ends) {
  sigset_t others;
  sigfillset(&others);
  sigdelset(&others, SIGUSR1);
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, nullptr);
  action.sa_handler = [](int) { is_told_to_end = 1; };
  for (const int end : ends) {
    sigdelset(&others, end);
    sigaction(end, &action, nullptr);
  }
  sigprocmask(SIG_SETMASK, &others, nullptr);
}

Mapping* map(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_size < static_cast<off_t>(sizeof(Mapping))) return nullptr;
  void* const memory = mmap(nullptr, sizeof(Mapping), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<Mapping*>(memory);
}

/// Runs the threads until the command says to stop or `is_over`; never returns, since a thread may stay in the driver.
template <typename Condition>
[[noreturn]] void serve(Mapping& mapping, const gpu::Options& options, Condition is_over) {
  std::uint32_t command = mapping.command.load(std::memory_order_acquire);
  const auto desired = [&] { return static_cast<gpu::Desired>(command & helper::kDesiredBits); };
  if (desired() == gpu::Desired::stopped) _exit(0);
  if (!gpu::start(options, mapping.block)) _exit(helper::kExitThread);
  if (desired() == gpu::Desired::released) gpu::release();
  while (desired() != gpu::Desired::stopped && !is_over()) {
    const timespec limit{0, kTurnNs};
    syscall(SYS_futex, &mapping.command, FUTEX_WAIT, command, &limit, nullptr, 0);
    const auto before = command;
    command = mapping.command.load(std::memory_order_acquire);
    if ((before ^ command) & helper::kDesiredBits) {
      if (desired() == gpu::Desired::released) gpu::release();
      if (desired() == gpu::Desired::run) gpu::acquire();
    }
    if (before / helper::kRefreshStep != command / helper::kRefreshStep) gpu::refresh();
  }
  gpu::stop();
  _exit(0);
}

int serve_parent(pid_t parent) {
  // What a terminal or a supervisor sends to the whole group is for the server, which may want to drain before it ends.
  // The one signal that gets through says that the parent is gone.
  take_signals({});
  prctl(PR_SET_PDEATHSIG, SIGUSR1);
  // Descriptors that the server's libraries forgot to close: a stuck helper would keep their files and sockets.
  syscall(SYS_close_range, helper::kMappingFd + 1, ~0u, 0);
  [[maybe_unused]] const int moved = chdir("/");
  const auto is_orphan = [parent] { return getppid() != parent; };
  if (is_orphan()) return 0;
  auto* const mapping = map(helper::kMappingFd);
  if (mapping == nullptr || !mapping->is_ours()) return helper::kExitMapping;
  serve(*mapping, mapping->setup.get(), is_orphan);
}

/// The mapping in the file at `path`, locked for this process as long as it lives; null with a message. What an earlier
/// helper of the same build left is gone on with, so that its readers need not turn to another file.
Mapping* open_file(const char* path, gpu::Options& options) {
  const auto fail = [&](const char* what) {
    fprintf(stderr, "inference-health-gpu: %s: %s\n", path, what);
    return nullptr;
  };
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0664);
    if (fd < 0) return fail("cannot be opened for writing");
    fchmod(fd, 0664);
    // A reader that looks whether there is a helper holds it for a moment.
    int tries = 0;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      if (++tries > 200) return fail("another helper writes to it");
      usleep(10'000);
    }
    struct stat info;
    const bool is_new = fstat(fd, &info) == 0 && info.st_size == 0;
    // Taken now: a write to a page that is not there ends the process.
    if (is_new && posix_fallocate(fd, 0, sizeof(Mapping)) != 0) return fail("has no room");
    Mapping* mapping = map(fd);
    if (mapping != nullptr && is_new) mapping = new (mapping) Mapping{};
    if (mapping != nullptr && (is_new || mapping->is_ours())) {
      // Nothing is said in `setup`: readers may write to the file, and a helper with more rights than they have must not
      // load a library of theirs.
      options.is_continued = !is_new;
      mapping->stamp();
      return mapping;
    }
    std::uint64_t magic = 0;
    if (pread(fd, &magic, sizeof magic, 0) != sizeof magic || magic != Mapping::kMagic)
      return fail("is no file of this program's; it is left alone");
    // Of another build; readers of this one turn to the new file.
    unlink(path);
    close(fd);
  }
  return fail("cannot be mapped");
}

int serve_file(int argc, char** argv) {
  gpu::Options options;
  std::string file;
  options.kmsg = "/dev/kmsg";
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    std::string* const into = name == "--file"      ? &file
                              : name == "--library" ? &options.library
                              : name == "--kmsg"    ? &options.kmsg
                                                    : nullptr;
    if (into == nullptr || i + 1 == argc) {
      fputs(kUsage, stderr);
      return helper::kExitUsage;
    }
    *into = argv[i + 1];
  }
  // The readers' pids are not known here.
  options.owner_pid = 0;
  take_signals({SIGTERM, SIGINT, SIGHUP});
  auto* const mapping = open_file(file.c_str(), options);
  if (mapping == nullptr) return helper::kExitInUse;
  serve(*mapping, options, [] { return is_told_to_end != 0; });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2) return serve_file(argc, argv);
  const pid_t parent = argc == 2 ? static_cast<pid_t>(atoi(argv[1])) : 0;
  if (parent > 0) return serve_parent(parent);
  fputs(kUsage, stderr);
  return helper::kExitUsage;
}

// The helper process: the GPU threads, writing to the mapping of the process that started it. It ends when it is told to and
// when that process is gone.
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "gpu/gpu.h"
#include "helper/mapping.h"

namespace {

using namespace inference_health;
using helper::Mapping;

constexpr long kLookAtParentNs = 500'000'000;

Mapping* map() {
  struct stat info;
  if (fstat(helper::kMappingFd, &info) != 0 || info.st_size < static_cast<off_t>(sizeof(Mapping))) return nullptr;
  void* const memory = mmap(nullptr, sizeof(Mapping), PROT_READ | PROT_WRITE, MAP_SHARED, helper::kMappingFd, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* const mapping = static_cast<Mapping*>(memory);
  const bool is_ours = mapping->magic == Mapping::kMagic && mapping->layout == helper::layout_hash() &&
                       mapping->size == sizeof(Mapping);
  return is_ours ? mapping : nullptr;
}

void keep_out_of_the_way() {
  // What a terminal or a supervisor sends to the whole group is for the server, which may want to drain before it ends.
  // The one signal that gets through says that the parent is gone.
  sigset_t most;
  sigfillset(&most);
  sigdelset(&most, SIGUSR1);
  sigprocmask(SIG_SETMASK, &most, nullptr);
  struct sigaction wakes {};
  wakes.sa_handler = [](int) {};
  sigaction(SIGUSR1, &wakes, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGUSR1);
  // Descriptors that the server's libraries forgot to close: a stuck helper would keep their files and sockets.
  syscall(SYS_close_range, helper::kMappingFd + 1, ~0u, 0);
  [[maybe_unused]] const int moved = chdir("/");
}

}  // namespace

int main(int argc, char** argv) {
  const pid_t parent = argc == 2 ? static_cast<pid_t>(atoi(argv[1])) : 0;
  if (parent <= 0) {
    fputs("inference-health-gpu reads the GPUs for inference-health, which starts it with gpu.isolation: 'process'.\n", stderr);
    return helper::kExitUsage;
  }
  keep_out_of_the_way();
  const auto is_orphan = [parent] { return getppid() != parent; };
  if (is_orphan()) return 0;
  auto* const mapping = map();
  if (mapping == nullptr) return helper::kExitMapping;

  std::uint32_t command = mapping->command.load(std::memory_order_acquire);
  const auto desired = [&] { return static_cast<gpu::Desired>(command & helper::kDesiredBits); };
  if (desired() == gpu::Desired::stopped) return 0;
  if (!gpu::start(mapping->setup.get(), mapping->block)) return helper::kExitThread;
  if (desired() == gpu::Desired::released) gpu::release();
  while (desired() != gpu::Desired::stopped && !is_orphan()) {
    const timespec limit{0, kLookAtParentNs};
    syscall(SYS_futex, &mapping->command, FUTEX_WAIT, command, &limit, nullptr, 0);
    const auto before = command;
    command = mapping->command.load(std::memory_order_acquire);
    if ((before ^ command) & helper::kDesiredBits) {
      if (desired() == gpu::Desired::released) gpu::release();
      if (desired() == gpu::Desired::run) gpu::acquire();
    }
    if (before / helper::kRefreshStep != command / helper::kRefreshStep) gpu::refresh();
  }
  gpu::stop();
  // Without exit handlers: a thread may still be in the driver.
  _exit(0);
}

#pragma once

#include <pthread.h>
#include <signal.h>

#include <cstddef>
#include <new>
#include <utility>

namespace inference_health::gpu {

/// Starts a detached thread that takes no signals; false when the system refuses. Detached, because nobody may ever wait
/// for a thread that could sit in the driver.
template <typename Body>
bool start_detached(const char* name, Body body) {
  // NVML's own frames are unknown; the default of 8 MiB is accounted for in containers without overcommit.
  constexpr std::size_t kStackBytes = 1024 * 1024;
  auto* copy = new (std::nothrow) Body(std::move(body));
  if (copy == nullptr) return false;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(
      &thread, &attributes,
      [](void* argument) -> void* {
        auto* own = static_cast<Body*>(argument);
        (*own)();
        delete own;
        return nullptr;
      },
      copy);
  if (error == 0) pthread_setname_np(thread, name);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) delete copy;
  return error == 0;
}

}  // namespace inference_health::gpu

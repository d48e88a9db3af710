// Which environments (the main thread's, those of workers) use something that belongs to the process.
#pragma once

#include <mutex>
#include <vector>

#include "addon/napi_setup.h"

namespace inference_health::addon {

/// Ends what belongs to the process with the last environment that asked for it. Never destroyed: workers may end while the
/// process exits.
class Environments {
 public:
  /// `end` is called with the lock held.
  explicit Environments(void (*end)()) : end_(end) {}

  /// Held by whoever starts and stops, so that no environment ends in between.
  std::mutex& mutex() { return mutex_; }
  /// With the lock held: `env` uses it from now on, until it ends or nobody does.
  void add(napi_env env);
  /// Nobody uses it any more, whoever did.
  void end_all();

 private:
  struct Hook {
    Environments* environments;
    napi_env env;
  };
  static void on_environment_end(void* data);
  void remove(napi_env env);

  void (*const end_)();
  std::mutex mutex_;
  std::vector<napi_env> hooked_;  // have a cleanup hook: adding the same one twice aborts the process
  std::vector<napi_env> users_;
};

}  // namespace inference_health::addon

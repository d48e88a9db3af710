#include "addon/environments.h"

#include <algorithm>
#include <memory>

namespace inference_health::addon {
namespace {

bool contains(const std::vector<napi_env>& list, napi_env env) {
  return std::find(list.begin(), list.end(), env) != list.end();
}

}  // namespace

void Environments::add(napi_env env) {
  if (!contains(hooked_, env)) {
    auto hook = std::make_unique<Hook>(Hook{this, env});
    if (napi_add_env_cleanup_hook(env, on_environment_end, hook.get()) == napi_ok) {
      hooked_.push_back(env);
      hook.release();
    }
  }
  if (!contains(users_, env)) users_.push_back(env);
}

void Environments::end_all() {
  const std::scoped_lock lock(mutex_);
  users_.clear();
  end_();
}

void Environments::on_environment_end(void* data) {
  const std::unique_ptr<Hook> hook(static_cast<Hook*>(data));
  hook->environments->remove(hook->env);
}

void Environments::remove(napi_env env) {
  const std::scoped_lock lock(mutex_);
  std::erase(hooked_, env);
  if (std::erase(users_, env) > 0 && users_.empty()) end_();
}

}  // namespace inference_health::addon

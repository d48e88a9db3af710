#include "snapshot/block.h"

#include <type_traits>

namespace inference_health {

constinit Block block{};

static_assert(std::is_trivially_destructible_v<Block>, "readers may still run when static destructors do");
static_assert(std::atomic<double>::is_always_lock_free);

}  // namespace inference_health

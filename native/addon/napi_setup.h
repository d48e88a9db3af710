// The only place that includes napi.h, so that these definitions always come first.
#pragma once

#define NAPI_VERSION 8
#define NAPI_DISABLE_CPP_EXCEPTIONS
#define NODE_ADDON_API_DISABLE_DEPRECATED
// Without it a throw into a worker that is being terminated ends the whole process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

#include <napi.h>

// A test is a sentence: TEST("a missing file is a reason, not a zero") { CHECK(…); }
#pragma once

#include <cmath>
#include <sstream>
#include <string>
#include <string_view>

namespace inference_health::test {

using Body = void (*)();

struct Registration {
  Registration(const char* name, Body body, const char* file = __builtin_FILE());
};

void fail(const char* file, int line, const std::string& message);

template <typename Left, typename Right>
void check_equal(const Left& actual, const Right& expected, const char* text, const char* file, int line) {
  if constexpr (std::is_floating_point_v<Left>) {
    if (std::isnan(actual) && std::isnan(static_cast<double>(expected))) return;
  }
  if (actual == expected) return;
  std::ostringstream message;
  message.precision(17);
  const auto print = [&](const auto& value) {
    if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(value)>>) {
      message << static_cast<int>(value);
    } else {
      message << value;
    }
  };
  message << text << " is ";
  print(actual);
  message << ", expected ";
  print(expected);
  fail(file, line, message.str());
}

/// True where a sanitizer is built in; some tests do less then.
inline constexpr bool kUnderThreadSanitizer =
#ifdef __SANITIZE_THREAD__
    true;
#else
    false;
#endif

}  // namespace inference_health::test

#define IH_JOIN_(a, b) a##b
#define IH_JOIN(a, b) IH_JOIN_(a, b)
#define TEST(name)                                                                                         \
  static void IH_JOIN(test_body_, __LINE__)();                                                             \
  static const ::inference_health::test::Registration IH_JOIN(registration_, __LINE__)(                    \
      name, IH_JOIN(test_body_, __LINE__));                                                                \
  static void IH_JOIN(test_body_, __LINE__)()
#define CHECK(condition) \
  ((condition) ? void() : ::inference_health::test::fail(__FILE__, __LINE__, "not true: " #condition))
#define CHECK_EQUAL(actual, expected) \
  ::inference_health::test::check_equal((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_NEAR(actual, expected, tolerance)                                                  \
  (std::abs((actual) - (expected)) <= (tolerance)                                                \
       ? void()                                                                                  \
       : ::inference_health::test::fail(__FILE__, __LINE__, #actual " is " + std::to_string(actual) + \
                                                                ", expected about " #expected))

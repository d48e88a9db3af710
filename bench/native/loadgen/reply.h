// Reads one HTTP/1.1 response: by Content-Length, by the last chunk, or up to the end of the connection.
#pragma once

#include <strings.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace bench {

class Reply {
 public:
  void reset() {
    bytes_.clear();
    headerEnd_ = 0;
    length_ = kUnknown;
    isChunked_ = false;
  }

  // True once the response is complete.
  bool add(const char* data, size_t size) {
    bytes_.append(data, size);
    if (headerEnd_ == 0 && !readHeader()) return false;
    if (isChunked_) return bytes_.ends_with("0\r\n\r\n");
    return length_ != kUnknown && bytes_.size() >= headerEnd_ + length_;
  }

  // True if the end of the connection completes the response.
  bool completeAtEnd() const { return headerEnd_ != 0 && !isChunked_ && length_ == kUnknown; }

  int status() const { return bytes_.size() < 12 ? 0 : std::atoi(bytes_.c_str() + 9); }
  size_t size() const { return bytes_.size(); }

 private:
  static constexpr size_t kUnknown = static_cast<size_t>(-1);

  bool readHeader() {
    const size_t end = bytes_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    headerEnd_ = end + 4;
    const char* field = strcasestr(bytes_.c_str(), "\r\ncontent-length:");
    if (field != nullptr && field < bytes_.c_str() + end) {
      length_ = std::strtoul(field + 17, nullptr, 10);
    } else {
      field = strcasestr(bytes_.c_str(), "\r\ntransfer-encoding: chunked");
      isChunked_ = field != nullptr && field < bytes_.c_str() + end;
    }
    return true;
  }

  std::string bytes_;
  size_t headerEnd_ = 0;
  size_t length_ = kUnknown;
  bool isChunked_ = false;
};

}  // namespace bench

// What is probed and what counts as an answer.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace bench {

struct Target {
  uint16_t port = 0;
  std::string request;
  // 0 accepts every status.
  int expectedStatus = 200;

  // The request that a kubelet sends. It asks the server to close, as a fresh connection per probe does.
  static std::string requestOf(const std::string& path, uint16_t port, bool keepAlive) {
    return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
           "\r\nUser-Agent: kube-probe/1.34\r\nAccept: */*\r\n" + (keepAlive ? "" : "Connection: close\r\n") + "\r\n";
  }
};

inline sockaddr_in loopback(uint32_t lastByte, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f000000u | lastByte);
  address.sin_port = htons(port);
  return address;
}

// A non-blocking socket with a connection under way, or -1. 64 source addresses in turn, because one has only 28,000
// ports and each stays in TIME_WAIT for a while.
inline int connectTo(uint16_t port) {
  static uint32_t turn = 0;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  const sockaddr_in from = loopback(2 + turn++ % 64, 0);
  const sockaddr_in to = loopback(1, port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0 &&
      (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 || errno == EINPROGRESS)) {
    return fd;
  }
  close(fd);
  return -1;
}

}  // namespace bench

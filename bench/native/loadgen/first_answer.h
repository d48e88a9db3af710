// Knocks until something answers: the moment, on CLOCK_MONOTONIC, of the first complete response.
#pragma once

#include <sys/time.h>

#include <cstdio>

#include "../common.h"
#include "reply.h"
#include "target.h"

namespace bench {

inline int printFirstAnswer(const Target& target, uint64_t timeoutNs) {
  const uint64_t deadline = nowNs() + timeoutNs;
  const sockaddr_in to = loopback(1, target.port);
  uint64_t refused = 0;
  while (nowNs() < deadline) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // A connection that is accepted but not answered blocks the receive: the answer, not the open port, is what counts.
    const timeval limit{static_cast<time_t>(timeoutNs / 1'000'000'000 + 1), 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
      const uint64_t connected = nowNs();
      Reply reply;
      reply.reset();
      char buffer[16384];
      send(fd, target.request.data(), target.request.size(), MSG_NOSIGNAL);
      for (ssize_t size; (size = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
        if (!reply.add(buffer, static_cast<size_t>(size))) continue;
        std::printf("{\"answeredAtNs\":%llu,\"connectedAtNs\":%llu,\"status\":%d,\"refused\":%llu}\n",
                    static_cast<unsigned long long>(nowNs()), static_cast<unsigned long long>(connected), reply.status(),
                    static_cast<unsigned long long>(refused));
        return 0;
      }
    }
    close(fd);
    refused++;
    const timespec pause{0, 200'000};
    nanosleep(&pause, nullptr);
  }
  std::printf("{\"answeredAtNs\":null,\"refused\":%llu}\n", static_cast<unsigned long long>(refused));
  return 0;
}

}  // namespace bench

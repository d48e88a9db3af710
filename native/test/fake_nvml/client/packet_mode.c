/* Switches the FIFO behind descriptor 3 to packet mode, in which each read gives what one write wrote. open() refuses
 * O_DIRECT for a FIFO and Node has no fcntl(), but the flag belongs to the open file that parent and child share. */
#define _GNU_SOURCE
#include <fcntl.h>

int main(void) {
  const int flags = fcntl(3, F_GETFL);
  return flags < 0 || fcntl(3, F_SETFL, flags | O_DIRECT) < 0;
}

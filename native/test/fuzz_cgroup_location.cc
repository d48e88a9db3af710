#include "fuzz.h"
#include "host/cgroup_location.h"
#include "host/text.h"

using namespace inference_health;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = test::text_of(data, size);
  auto line = host::take_line(text);
  const auto mount = host::parse_cgroup_mount(line);
  const auto membership = host::parse_membership(host::take_line(text));
  if (!mount || !membership) return 0;
  host::has_element(mount->controllers, membership->controllers);

  char root_buffer[64], point_buffer[64];
  const auto root = host::decode_path(mount->root, root_buffer);
  const auto point = host::decode_path(mount->point, point_buffer);
  if (!root || !point) return 0;
  std::string_view relative;
  if (host::place_cgroup(*root, membership->path, relative) == host::Placement::outside) return 0;
  test::expect(relative.empty() || relative.front() == '/');

  host::CgroupChain chain;
  if (!chain.assign(*point, relative)) return 0;
  test::expect(chain.levels() >= 1 && chain.relative() == relative);
  for (std::size_t level = 0; level + 1 < chain.levels(); ++level) {
    test::expect(chain.directory(level).starts_with(chain.directory(level + 1)));
    test::expect(chain.directory(level).size() > chain.directory(level + 1).size());
  }
  return 0;
}

{
  "target_defaults": {
    "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-ffunction-sections", "-fdata-sections"],
    "conditions": [
      ["OS=='linux'", {
        # libgcc stays dynamic: linked statically it needs glibc 2.35.
        "ldflags": ["-static-libstdc++", "-Wl,--gc-sections", "-Wl,--exclude-libs,ALL"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "inference_health",
      "dependencies": ["inference-health-gpu"],
      "sources": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt','utf8').split(/\\s+/).filter((file) => file !== 'native/helper/main.cc').join(' ')\")"],
      "conditions": [
        ["OS=='linux'", {
          # nodelete keeps the code of the sampler thread mapped when the worker that loaded the addon ends.
          "ldflags": ["-Wl,-z,nodelete"]
        }]
      ]
    },
    {
      # The process of gpu.isolation: 'process', found beside the addon.
      "target_name": "inference-health-gpu",
      "type": "executable",
      "sources": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt','utf8').split(/\\s+/).filter((file) => /^native.(gpu|helper|snapshot)|host.text/.test(file)).join(' ')\")"]
    }
  ]
}

{
  "targets": [
    {
      "target_name": "inference_health",
      "sources": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt','utf8')\")"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-ffunction-sections", "-fdata-sections"],
      "conditions": [
        ["OS=='linux'", {
          # libgcc stays dynamic: linked statically it needs glibc 2.35. nodelete keeps the code of the sampler thread
          # mapped when the worker that loaded the addon ends.
          "ldflags": ["-static-libstdc++", "-Wl,--gc-sections", "-Wl,--exclude-libs,ALL", "-Wl,-z,nodelete"]
        }]
      ]
    }
  ]
}

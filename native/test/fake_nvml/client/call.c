/* Loads a library and calls it as told on standard input, one call a line, one JSON line of answer each:
 *
 *   [&TAG] SYMBOL ARGUMENT…      with a tag on a thread of its own, answered when it returns
 *   ?SYMBOL                      result 1 when the library has it
 *
 * Arguments: 12 or 0x2000028 a number; "text" a string; hNAME or sNAME a handle that was stored; HNAME or SNAME where to store
 * one; b40 a buffer of 40 bytes and 64 spare ones, all 0xa5; b40:0x2000028 the same with its first word set. All travel as
 * 64-bit words, which the calling conventions of x86-64 and aarch64 allow. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ARGUMENTS = 8, MAX_NAMES = 256, SPARE = 64, FILL = 0xa5 };

typedef struct { unsigned char* bytes; size_t size; } Buffer;
typedef struct { char name[32]; void* value; } Named;

static void* library;
static Named names[MAX_NAMES];
static int name_count;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void** stored(const char* name) {
  for (int index = 0; index < name_count; index += 1)
    if (strcmp(names[index].name, name) == 0) return &names[index].value;
  if (name_count == MAX_NAMES) abort();
  snprintf(names[name_count].name, sizeof names[0].name, "%s", name);
  return &names[name_count++].value;
}

typedef struct {
  char* line;
  char* tag;
  const char* symbol;
  uint64_t words[MAX_ARGUMENTS];
  Buffer buffers[MAX_ARGUMENTS];
  int buffer_count;
} Request;

static Buffer make_buffer(const char* text) {
  char* rest;
  Buffer buffer = {NULL, strtoul(text, &rest, 0)};
  buffer.bytes = malloc(buffer.size + SPARE);
  memset(buffer.bytes, FILL, buffer.size + SPARE);
  if (*rest == ':') {
    const uint32_t first = (uint32_t)strtoul(rest + 1, NULL, 0);
    memcpy(buffer.bytes, &first, sizeof first);
  }
  return buffer;
}

static void parse(Request* request, char* line) {
  char* position = NULL;
  char* token = strtok_r(line, " \n", &position);
  if (token != NULL && token[0] == '&') {
    request->tag = token + 1;
    token = strtok_r(NULL, " \n", &position);
  }
  request->symbol = token == NULL ? "" : token;
  for (int index = 0; index < MAX_ARGUMENTS && (token = strtok_r(NULL, " \n", &position)) != NULL; index += 1) {
    uint64_t* word = &request->words[index];
    if (token[0] == 'b') {
      Buffer* buffer = &request->buffers[request->buffer_count++];
      *buffer = make_buffer(token + 1);
      *word = (uintptr_t)buffer->bytes;
    } else if (token[0] == 'h' || token[0] == 's') {
      *word = (uintptr_t)*stored(token + 1);
    } else if (token[0] == 'H' || token[0] == 'S') {
      *word = (uintptr_t)stored(token + 1);
    } else if (token[0] == '"') {
      token[strlen(token) - 1] = '\0';
      *word = (uintptr_t)(token + 1);
    } else {
      *word = strtoull(token, NULL, 0);
    }
  }
}

static void print_buffer(const Buffer* buffer, int is_first) {
  size_t written = buffer->size + SPARE;
  while (written > 0 && buffer->bytes[written - 1] == FILL) written -= 1;
  printf("%s{\"written\":%zu,\"hex\":\"", is_first ? "" : ",", written);
  for (size_t index = 0; index < buffer->size; index += 1) printf("%02x", buffer->bytes[index]);
  printf("\"}");
}

typedef int Function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static void* run(void* argument) {
  Request* const request = argument;
  Function* function;
  struct timespec before, after;
  *(void**)&function = dlsym(library, request->symbol);
  clock_gettime(CLOCK_MONOTONIC, &before);
  const uint64_t* w = request->words;
  const int result = function == NULL ? -1 : function(w[0], w[1], w[2], w[3], w[4], w[5]);
  clock_gettime(CLOCK_MONOTONIC, &after);
  const long us = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
  pthread_mutex_lock(&output);
  printf("{\"tag\":\"%s\",\"result\":%d,\"us\":%ld,\"buffers\":[", request->tag == NULL ? "" : request->tag, result, us);
  for (int index = 0; index < request->buffer_count; index += 1) print_buffer(&request->buffers[index], index == 0);
  printf("]}\n");
  fflush(stdout);
  pthread_mutex_unlock(&output);
  for (int index = 0; index < request->buffer_count; index += 1) free(request->buffers[index].bytes);
  free(request->line);
  free(request);
  return NULL;
}

int main(int count, char** arguments) {
  library = dlopen(count > 1 ? arguments[1] : "", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  char* line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    if (line[0] == '?') {
      line[strcspn(line, "\n")] = '\0';
      pthread_mutex_lock(&output);
      printf("{\"tag\":\"\",\"result\":%d,\"us\":0,\"buffers\":[]}\n", dlsym(library, line + 1) != NULL);
      fflush(stdout);
      pthread_mutex_unlock(&output);
      continue;
    }
    Request* const request = calloc(1, sizeof *request);
    request->line = strdup(line);
    parse(request, request->line);
    if (request->tag == NULL) {
      run(request);
    } else {
      pthread_t thread;
      pthread_create(&thread, NULL, run, request);
      pthread_detach(thread);
    }
  }
  return 0;
}

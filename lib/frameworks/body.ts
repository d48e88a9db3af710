import type { HttpRequest } from '../requests/http-channel.js';

/**
 * Ends or fails `request` by how the response ends: failed is what broke, was cancelled by the client or says 500 or more.
 */
export function followBody(response: Response, request: HttpRequest): Response {
  const ended = (isComplete: boolean): void => {
    if (isComplete && response.status < 500) request.end();
    else request.fail();
  };
  if (response.body === null) {
    ended(true);
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          controller.enqueue(value);
          return;
        }
        controller.close();
        ended(true);
      } catch (error) {
        controller.error(error);
        ended(false);
      }
    },
    cancel(reason) {
      ended(false);
      return reader.cancel(reason);
    },
  });
  return new Response(body, response);
}

export const OK = '200 OK';
export const UNAVAILABLE = '503 Service Unavailable';
export const JSON_TYPE = 'application/json';
export const TEXT_TYPE = 'text/plain; charset=utf-8';

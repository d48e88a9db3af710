'use strict';
const { createRequire } = require('node:module');
const { join } = require('node:path');

/** `require` as if from bench/peers, where the other packages are installed. */
module.exports = createRequire(join(__dirname, '..', 'peers', 'package.json'));

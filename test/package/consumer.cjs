const { startHealth } = require('inference-health');
const { report } = require('./report.cjs');

report(startHealth);

// `npm run build`: incremental; a step whose inputs did not change costs a few stat calls.
import './build-ts.mjs';
import './build-native.mjs';

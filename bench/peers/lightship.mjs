// Its CommonJS entry does not load (an ES module by its package.json), so it is imported from where it is installed.
export { createLightship } from 'lightship';

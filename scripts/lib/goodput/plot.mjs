const COLOURS = ['#888888', '#4477aa', '#66ccee', '#228833', '#ee6677', '#ccbb44', '#aa3377'];
const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [760, 420, 60, 30, 250, 50];

/** Lines of goodput over load, as shares of the peak. @param {Map<string, number[]>} curves */
export function plot(title, loads, curves, peak) {
  const x = (load) => LEFT + ((WIDTH - LEFT - RIGHT) * load) / loads.at(-1);
  const y = (share) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * Math.min(1.05, share) * 0.95;
  const text = (at, down, words, more = '') => `<text x="${at}" y="${down}" ${more}>${words}</text>`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 18, title, 'font-size="13"'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, 'load ÷ capacity', 'text-anchor="middle"'),
  ];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(share)}" y2="${y(share)}" stroke="#dddddd"/>`,
      text(LEFT - 8, y(share) + 4, `${100 * share} %`, 'text-anchor="end"'),
    );
  }
  for (const load of [0, 1, 2, 3, 4])
    parts.push(text(x(load), HEIGHT - BOTTOM + 18, `${load}`, 'text-anchor="middle"'));
  [...curves].forEach(([name, values], index) => {
    const colour = COLOURS[index % COLOURS.length];
    const points = values.map((value, at) => `${x(loads[at]).toFixed(1)},${y(value / peak).toFixed(1)}`);
    const down = TOP + 14 + 22 * index;
    parts.push(
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<line x1="${WIDTH - RIGHT + 16}" x2="${WIDTH - RIGHT + 40}" y1="${down - 4}" y2="${down - 4}" stroke="${colour}" stroke-width="3"/>`,
      text(WIDTH - RIGHT + 46, down, name),
    );
  });
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

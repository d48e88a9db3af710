/**
 * Pieces of JSON in an order, as one text of bytes. In blocks, so that a change of one piece among ten thousand renders its
 * block again and copies the others.
 */
export interface SortedBytes {
  readonly size: number;
  /**
   * @param order where it belongs; one piece has each
   * @returns whether that changes anything
   */
  set(order: string, json: string): boolean;
  delete(order: string): void;
  /** All pieces, with a comma between. */
  bytes(): Buffer;
}

interface Block {
  readonly orders: string[];
  readonly pieces: string[];
  /** Null: to be rendered. */
  bytes: Buffer | null;
}

const MOST = 256;
const COMMA = Buffer.from(',');

export function createSortedBytes(): SortedBytes {
  const blocks: Block[] = [];
  let size = 0;

  /** The last block that begins at or before `order`, else the first. */
  function blockOf(order: string): number {
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((blocks[middle]?.orders[0] ?? '') <= order) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  function placeOf(orders: readonly string[], order: string): number {
    let low = 0;
    let high = orders.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((orders[middle] ?? '') < order) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function split(at: number, block: Block): void {
    if (block.orders.length <= MOST) return;
    const half = block.orders.length >>> 1;
    const orders = block.orders.splice(half);
    blocks.splice(at + 1, 0, { orders, pieces: block.pieces.splice(half), bytes: null });
  }

  return {
    get size() {
      return size;
    },
    set(order, json) {
      const index = blockOf(order);
      const block = blocks[index] ?? { orders: [], pieces: [], bytes: null };
      if (blocks.length === 0) blocks.push(block);
      const at = placeOf(block.orders, order);
      const isKnown = block.orders[at] === order;
      if (isKnown && block.pieces[at] === json) return false;
      block.bytes = null;
      block.orders.splice(at, Number(isKnown), order);
      block.pieces.splice(at, Number(isKnown), json);
      if (isKnown) return true;
      size += 1;
      split(index, block);
      return true;
    },
    delete(order) {
      const index = blockOf(order);
      const block = blocks[index];
      const at = block === undefined ? 0 : placeOf(block.orders, order);
      if (block?.orders[at] !== order) return;
      block.bytes = null;
      block.orders.splice(at, 1);
      block.pieces.splice(at, 1);
      size -= 1;
      if (block.orders.length === 0) blocks.splice(index, 1);
    },
    bytes: () =>
      Buffer.concat(
        blocks.flatMap((block, index) => {
          block.bytes ??= Buffer.from(block.pieces.join(','));
          return index === 0 ? [block.bytes] : [COMMA, block.bytes];
        }),
      ),
  };
}

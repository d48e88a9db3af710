/** What a logical request hears and says. See docs/fleet/logical-request.md. */
import type { MigratorOptions } from './migrator.js';
import type { MigrationEffect, MigrationEvent } from './migrator-types.js';
import type { FinishReason, Outcome } from './types.js';

/** What goes to the client, in this order for each choice: text, then one `choice_end`; last of all one `end` or `error`. */
export type ClientEvent =
  | {
      readonly type: 'text';
      readonly choice: number;
      readonly text: string;
      /** Tokens of this choice so far. */
      readonly tokens: number;
    }
  | { readonly type: 'choice_end'; readonly choice: number; readonly reason: FinishReason }
  | { readonly type: 'end'; readonly usage: Usage }
  | {
      readonly type: 'error';
      readonly outcome: Outcome | 'poison';
      readonly why: string;
      readonly usage: Usage;
    };

export interface Usage {
  /** Counted once, however often it was prefilled and for however many choices. */
  readonly promptTokens: number;
  /** Sum of the choices' logs. */
  readonly completionTokens: number;
  /** Tokens that migrations had to prefill again, prompt included; not for the bill. */
  readonly replayedTokens: number;
  readonly migrations: number;
}

export interface RequestOutput {
  readonly client: readonly ClientEvent[];
  /** By choice: what the migrators ask for. */
  readonly effects: readonly { readonly choice: number; readonly effect: MigrationEffect }[];
}

export interface LogicalRequest {
  readonly isEnded: boolean;
  start(atMs: number): RequestOutput;
  /** @param bytes of this token; empty for a token without text */
  frame(
    choice: number,
    frame: {
      readonly atMs: number;
      readonly epoch: number;
      readonly seq: number;
      readonly tokenId: number;
      readonly bytes: Uint8Array;
    },
  ): RequestOutput;
  /** An event for the migrator of one choice. */
  step(choice: number, event: MigrationEvent): RequestOutput;
  /** An event for all: `cancel`, `tick`, `suspect`, `leaving`. */
  stepAll(event: MigrationEvent): RequestOutput;
  nextTimerMs(): number;
  usage(): Usage;
  /** Tokens of a choice so far, to be replayed; a view, valid until the next frame. */
  tokens(choice: number): Int32Array;
}

export interface LogicalRequestOptions extends MigratorOptions {
  /** Choices, 1 or more. Default 1. */
  readonly choices?: number;
  readonly stop?: readonly string[];
}

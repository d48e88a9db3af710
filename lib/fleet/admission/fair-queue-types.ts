/** What waits in a fair queue, and what can be done with it. See docs/fleet/admission.md. */
export interface Waiting {
  readonly id: number;
  readonly tenant: string;
  /** Index of its class; 0 is served first. */
  readonly level: number;
  readonly promptTokens: number;
  /** Tokens to prefill: of the prompt those that no cache holds. */
  readonly prefillTokens: number;
  /** Tokens to prefill and expected to be generated. */
  readonly tokens: number;
  readonly bytes: number;
  readonly sinceMs: number;
  /** Time at which it is rejected instead of served. */
  readonly untilMs: number;
  /** Its first token is wanted by then; Infinity: at any time. */
  readonly deadlineMs: number;
  /** 0 to 1: spreads what those refused together are told. */
  readonly random: number;
}

export interface Ahead {
  readonly prefillTokens: number;
  readonly tokens: number;
}

export interface FairQueue {
  readonly length: number;
  readonly bytes: number;
  /** Tokens of all that wait. */
  readonly tokens: number;
  /** Tenants that are remembered. */
  tenants(): number;
  has(id: number): boolean;
  lengthOf(level: number): number;
  /** In the order of `sinceMs`. */
  push(waiting: Waiting): void;
  /** Who is next in a class; null: nobody. */
  peek(level: number, newestFirst: boolean): Waiting | null;
  /** Who has waited longest in a class; null: nobody waits. */
  oldest(level: number): Waiting | null;
  /** Who is to be rejected first; null: nobody waits. */
  nextToExpire(): Waiting | null;
  /** What is served before a request of this tenant, as far as can be told: its fair share of what waits. */
  ahead(tenant: string, level: number, newestFirst: boolean): Ahead;
  remove(id: number): Waiting | null;
  /** As `remove`, and it runs from now on; its prompt is charged. */
  admit(id: number): Waiting | null;
  /** Tokens that were generated for a tenant: they count twice, those of a prompt once. */
  charge(tenant: string, generatedTokens: number): void;
  /** Once for each that was admitted. */
  release(tenant: string): void;
  /** What a tenant has been served. */
  counter(tenant: string): number;
}

export type MutantName = never;
export const MUTANTS: Readonly<Record<string, { readonly machines: object }>> = {};

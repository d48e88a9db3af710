/** Names of the subjects, `inference-health.v1.NAMESPACE.COMPONENT.beacon.WORKER`. */

const ROOT = 'inference-health.v1';

/** A name may hold what a part of a subject may not: dots above all. */
export function subjectPart(name: string): string {
  return encodeURIComponent(name).replace(
    /[.*!'()~]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export function beaconSubject(namespace: string, component: string, worker: string): string {
  return `${ROOT}.${subjectPart(namespace)}.${subjectPart(component)}.beacon.${subjectPart(worker)}`;
}

/** What a frontend subscribes to. @param component null: all */
export function beaconSubjects(namespace: string, component: string | null): string {
  return `${ROOT}.${subjectPart(namespace)}.${component === null ? '*' : subjectPart(component)}.beacon.*`;
}

/** Whether a message on this subject may speak for that worker: who may publish where is the server's to say. */
export function isOf(subject: string, worker: string): boolean {
  return subject.endsWith(`.${subjectPart(worker)}`);
}

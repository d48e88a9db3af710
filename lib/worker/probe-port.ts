import { dynamoServer } from '../config/dynamo-server.js';
import { environmentName } from '../config/schema.js';

/** Whether the environment says where the probes listen: a port given in code would override what an operator has set. */
export function isListenerConfigured(): boolean {
  const isSet = (option: string): boolean => (process.env[environmentName(option)] ?? '').trim() !== '';
  const { isOn, isOff } = dynamoServer(process.env);
  return isOn || isOff || isSet('port') || isSet('listeners');
}

import { visible } from '@/format/name'

/** A name from a user: it has its own text direction, and no character can reverse its letters. */
export function Name({ text }: { text: string }) {
  return <bdi>{visible(text)}</bdi>
}

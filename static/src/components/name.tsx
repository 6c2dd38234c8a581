import { visible } from '@/format/name'

/** A name that somebody gave: its direction is its own, and nothing in it turns letters around. */
export function Name({ text }: { text: string }) {
  return <bdi>{visible(text)}</bdi>
}

// Announcements of the organization, as this person sees them.
import { get } from "@/kit/api";
import { useLoad } from "@/kit/load";

export interface Announcement {
  change: number;
  title: string;
  text: string;
  from: string;
  until: string;
  current: boolean;
  seen: boolean;
}
export interface Announcements {
  age: { reached: string | null };
  announcements: Announcement[];
}

export const useAnnouncements = () => useLoad(() => get<Announcements>("/api/v1/announcements"), { every: 30_000 });

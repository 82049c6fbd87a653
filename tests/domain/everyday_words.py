"""Everyday words of both languages, of which people make passphrases."""

FRENCH = """
maison jardin montagne riviere cheval chaise table fenetre lampe porte chemin soleil nuage pluie neige vent orage
arbre feuille racine fleur fruit pomme poire cerise citron orange raisin noix pain beurre fromage confiture sucre sel
poivre huile farine riz soupe salade viande poisson poulet legume carotte tomate oignon persil cuisine assiette verre
fourchette couteau cuillere bouteille panier marche magasin boutique rue avenue place village ville quartier pays
frontiere voyage train avion bateau voiture camion velo moteur roue route pont tunnel gare port bagage valise billet
musique chanson guitare violon piano tambour danse theatre cinema peinture couleur rouge vert bleu jaune noir blanc
gris matin midi soir nuit semaine mois annee siecle hier demain toujours jamais souvent parfois vite lentement
grand petit rapide facile difficile simple heureux triste calme brave humide sombre clair nouveau ancien
livre page phrase parole lettre chiffre nombre question reponse science histoire nature planete etoile galaxie
ocean vague sable rocher ile desert foret prairie colline vallee animal oiseau lapin renard loup mouton vache
chevre abeille papillon fourmi araignee grenouille tortue baleine dauphin crayon cahier bureau ordinateur clavier
ecran souris imprimante papier ciseaux colle regle gomme cartable horloge montre miroir savon serviette chemise
pantalon chaussure chapeau manteau ceinture laine coton cuir argent cuivre fer pierre brique ciment peintre maçon
boulanger facteur pompier medecin infirmier avocat juge marin pilote chanteur camarade chambre humeur caramel saline
malin semaine amarre vitamine samedi marmite rachat chemin nadir moulin bille dome semer hameau mariner omelette
"""
ARABIC = """
بيت حديقة جبل نهر كرسي طاولة نافذة مصباح باب طريق شمس سحاب مطر ثلج ريح شجرة ورقة جذر زهر فاكهة تفاح ليمون برتقال خبز
زبدة جبن سكر ملح زيت دقيق أرز حساء سلطة لحم سمك دجاج جزر طماطم بصل مطبخ صحن كأس سكين ملعقة قنينة سلة سوق متجر شارع قرية
مدينة حي بلد حدود سفر قطار طائرة سفينة سيارة دراجة محرك عجلة جسر نفق محطة ميناء حقيبة تذكرة موسيقى أغنية رقص مسرح رسم
لون أحمر أخضر أزرق أصفر أسود أبيض صباح مساء ليل أسبوع شهر سنة قرن أمس غدا دائما أبدا سريع بطيء كبير صغير سهل صعب بسيط
هادئ كتاب صفحة جملة كلمة حرف رقم عدد سؤال جواب علم تاريخ طبيعة كوكب نجم بحر موج رمل صخر جزيرة صحراء غابة تل واد حيوان
طائر أرنب ثعلب ذئب خروف بقرة ماعز نحلة فراشة نملة ضفدع سلحفاة حوت قلم دفتر مكتب حاسوب شاشة فأرة ورق مقص مسطرة ساعة مرآة
صابون قميص سروال حذاء قبعة معطف حزام صوف قطن جلد فضة نحاس حديد حجر رسام خباز ساعي طبيب ممرض محام قاض بحار طيار مغن رفيق
غرفة مجموعة
"""
